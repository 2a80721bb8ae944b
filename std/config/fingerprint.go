package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Fingerprint is a few hex digits of the settings that must be the same at both ends, so
// that two people can compare them by eye. The key is not part of it, because logs get
// posted in public.
func (c *Config) Fingerprint() string {
	text := fmt.Sprintf("crypt=%s nocomp=%t smuxver=%d qpp=%t", c.Crypt, c.NoComp, c.SmuxVer, c.QPP)
	if c.QPP {
		text += fmt.Sprintf(" qpp-count=%d", c.QPPCount)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}
