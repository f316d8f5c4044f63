// Package asm keeps Apple School Manager equal to the roster: Managed Apple Accounts for pupils and staff, and classes.
//
// Apple takes one zip with exactly six CSV files, always complete, in a drop folder on its SFTP server. It reads the
// files some time later and tells people in the portal, not us: delivered means uploaded, not applied. What the files
// leave out is acted upon: a person's account is deactivated and deleted 120 days later, a class loses its students and
// its Schoolwork progress. One reference that does not resolve makes Apple refuse the whole upload.
//
// mapping.go says which rows Apple should hold, format.go how they are written; the engine and libs/target/files do
// the rest.
//
// Source of every format fact: Apple School Manager User Guide, "Template information for importing records" and
// "Upload Student Information System data"; support articles 101183 and 101391 (support.apple.com).
package asm

import (
	"eventful.se/ess/libs/guard"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/files"
	"eventful.se/ess/libs/transport/sftp"
)

// Connector describes Apple School Manager as a target.
func Connector() target.Connector {
	return target.Connector{
		System: "apple-school-manager",
		Title:  "Apple School Manager",
		New:    func() target.Config { return defaults() },
	}
}

// Open makes the target, without network.
func (c *Config) Open(env target.Env) (*target.Target, error) {
	m, err := newMapping(*c)
	if err != nil {
		return nil, err
	}
	return &target.Target{
		Mapping: m,
		Deliverer: files.Sink{
			Format:   newFormat(*c),
			Packing:  files.Zip,
			Consumes: c.Consumes,
			Drop: files.SFTP{
				Client:    sftp.New(c.SFTP, sftp.Options{Logger: env.Logger, Now: env.Now}),
				Directory: c.Directory,
				Upload:    sftp.UploadOptions{Atomic: c.Upload},
			},
		},
		Every:    c.Every,
		Guarded:  []string{location, student, staff, class}, // who is in which class changes every day
		Watched:  map[string]guard.Operation{"sis_username": guard.Rename, "email_address": guard.Address},
		OneOf:    []string{student, staff}, // one account, whose row is in one of the two files
		Omission: target.DisableStep,       // Apple deactivates who is not in the files, and deletes the account 120 days later
	}, nil
}
