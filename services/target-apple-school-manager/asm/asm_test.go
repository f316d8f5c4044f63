package asm

import (
	"testing"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// decode returns the settings of a YAML text over the defaults.
func decode(t *testing.T, text string) *Config {
	t.Helper()
	c := Connector().New().(*Config)
	if err := yaml.UnmarshalWithOptions([]byte(text), c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, c *Config) *target.Target {
	t.Helper()
	made, err := c.Open(target.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestCases(t *testing.T) {
	targettest.Cases(t, Connector(), func(t *testing.T) (targettest.Peer, map[string]string) {
		d := newDrop(t, "hemligt-prov")
		return d, map[string]string{"sftp": d.sftp()}
	})
}
