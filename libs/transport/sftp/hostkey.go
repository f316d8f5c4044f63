package sftp

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

const fingerprintPrefix = "SHA256:"

// parsePin reads what an operator pins and returns its fingerprint, as [ssh.FingerprintSHA256] writes it. Accepted are
// the fingerprint that ssh-keygen -l prints, a line of known_hosts (its host names are not looked at: the pin stands
// beside the host that it is for) and a line of authorized_keys.
func parsePin(s string) (string, error) {
	s = strings.TrimSpace(s)
	if digest, ok := strings.CutPrefix(s, fingerprintPrefix); ok {
		digest = strings.TrimRight(digest, "=")
		if b, err := base64.RawStdEncoding.DecodeString(digest); err != nil || len(b) != 32 {
			return "", errors.New("is not a SHA256 fingerprint: it has 43 characters after SHA256:, as ssh-keygen -l prints it")
		}
		return fingerprintPrefix + digest, nil
	}
	if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s)); err == nil {
		return ssh.FingerprintSHA256(key), nil
	}
	marker, _, key, _, _, err := ssh.ParseKnownHosts([]byte(s))
	switch {
	case err != nil:
		return "", errors.New("is not a host key: write SHA256:… or a line of known_hosts")
	case marker != "":
		return "", errors.New("has a marker @" + marker + ": pin the host's own key")
	}
	return ssh.FingerprintSHA256(key), nil
}

// hostKeyAlgorithms are the accepted kinds of host key, preferred first. SHA-1 signatures are not.
func hostKeyAlgorithms() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
}

// withoutKey returns the algorithms that would make the server show another key than this one.
func withoutKey(algorithms []string, key ssh.PublicKey) []string {
	return slices.DeleteFunc(slices.Clone(algorithms), func(a string) bool {
		return a == key.Type() || key.Type() == ssh.KeyAlgoRSA && strings.HasPrefix(a, "rsa-")
	})
}
