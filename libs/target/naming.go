package target

import (
	"context"
	"errors"

	"eventful.se/ess/libs/names"
)

// ErrNamesChanged says that somebody else has given names since they were read.
var ErrNamesChanged = errors.New("somebody else gave names meanwhile")

// NameStore keeps whose each user name of a tenant is, for all its links.
type NameStore interface {
	// Version returns the version of what Load would return.
	Version(ctx context.Context) (uint64, error)
	// Load returns every claim, and the version that Save expects.
	Load(ctx context.Context) ([]names.Claim, uint64, error)
	// Save puts claims in the place of those of the same names, and returns the version after that. It ends with
	// ErrNamesChanged when somebody else has saved something since version; a part of the claims may stand then.
	Save(ctx context.Context, claims []names.Claim, version uint64) (uint64, error)
}
