// The server of a kcptun pair: it connects each stream of its clients to the
// target.
package main

import (
	"os"

	"kcptun/std/app"
	"kcptun/std/config"
)

// VERSION is set by the linker in releases.
var VERSION = "SELFBUILD"

// Config holds the settings; those of the other end are ignored.
type Config = config.Config

func main() {
	program := app.App{Role: config.Server, Version: VERSION, Exit: os.Exit, Run: run}
	os.Exit(program.Main(os.Args, os.Stdout, os.Stderr))
}

// parseJSONConfig overrides settings from the JSON file at path. Tests of other programs
// call it by this name.
func parseJSONConfig(c *Config, path string) error { return c.ReadJSON(config.Server, path) }
