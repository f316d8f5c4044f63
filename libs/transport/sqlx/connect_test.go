package sqlx

import (
	"crypto/tls"
	"fmt"
	"runtime"
	"testing"

	"github.com/microsoft/go-mssqldb/integratedauth"
	"github.com/microsoft/go-mssqldb/integratedauth/ntlm"
	"github.com/microsoft/go-mssqldb/msdsn"
)

// TestSQLServerSignIn holds what the driver is told, and by what it signs in: it asks for the authenticator as it does at
// every sign-in.
func TestSQLServerSignIn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("does not apply: on Windows the driver signs in by SSPI")
	}
	for user, want := range map[string]*ntlm.Auth{
		"ess_reader":          nil, // of the server's own
		`PROV\ess_reader`:     {Domain: "PROV", UserName: "ess_reader", Password: "svala", ChannelBinding: []byte{}},
		`PROV.LOCAL\svc-ess$`: {Domain: "PROV.LOCAL", UserName: "svc-ess$", Password: "svala", ChannelBinding: []byte{}},
	} {
		c := New(Config{Driver: SQLServer, Host: "db.prov.example", Database: "Register", User: user})
		cfg, err := c.sqlServerConfig("svala", &tls.Config{MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Encryption != msdsn.EncryptionRequired || cfg.TLSConfig.InsecureSkipVerify || cfg.Host != "db.prov.example" || cfg.Port != 1433 || !cfg.DisableRetry {
			t.Errorf("%s: encryption %d, host %s:%d", user, cfg.Encryption, cfg.Host, cfg.Port)
		}
		got, err := integratedauth.GetIntegratedAuthenticator(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			if got != nil {
				t.Errorf("%s signs in by %T, want user and password of the server", user, got)
			}
			continue
		}
		want.Workstation = cfg.Workstation
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s signs in by %+v, want %+v", user, got, want)
		}
	}
}
