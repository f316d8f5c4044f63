package source

import "eventful.se/ess/libs/reason"

// stateOf returns the state of a run that ended with an error.
func stateOf(err error) State {
	switch reason.Of(err).Code {
	case reason.Unreachable:
		return Unreachable
	case reason.WrongCredentials, reason.HostKeyUnknown, reason.HostKeyChanged, reason.NotPermitted:
		return Refused
	case reason.NoFile, reason.EmptyRead:
		return Empty
	case reason.StaleFile:
		return Stale
	case reason.MarksUnreadable, reason.TooManyProtected, reason.TooManyUnprotected,
		reason.Unreadable, reason.FileTooLarge, reason.ArchiveUnsafe, reason.ArchiveNested, reason.ArchiveEncrypted,
		reason.ArchiveAmbiguous:
		return Unreadable
	case reason.CanaryMissing, reason.TransferCut, reason.FileGrowing, reason.TruncatedFile:
		return Incomplete
	default:
		return Failed
	}
}
