// The client of a kcptun pair: it accepts TCP or unix connections and carries
// each as a stream to the server.
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
	program := app.App{Role: config.Client, Version: VERSION, Exit: os.Exit, Run: run}
	os.Exit(program.Main(os.Args, os.Stdout, os.Stderr))
}

// parseJSONConfig overrides settings from the JSON file at path. Tests of other programs
// call it by this name.
func parseJSONConfig(c *Config, path string) error { return c.ReadJSON(config.Client, path) }
