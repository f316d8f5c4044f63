package source

import "eventful.se/ess/libs/reason"

// stateOf returns the state of a run that ended with an error.
func stateOf(err error) State {
	switch reason.Of(err).Code {
	case reason.Unreachable, reason.NoAnswer, reason.Throttled, reason.ServerRefused, reason.RowsLocked, reason.StatementTimeout:
		return Unreachable
	case reason.WrongCredentials, reason.HostKeyUnknown, reason.HostKeyChanged, reason.NotPermitted,
		reason.CertificateUnknown, reason.CertificateName, reason.CertificateExpired, reason.EncryptionFailed,
		reason.AddressRefused, reason.RedirectRefused, reason.ScopeRefused,
		reason.AccountLocked, reason.PasswordExpired, reason.GrantMissing, reason.SnapshotRefused:
		return Refused
	case reason.NoFile, reason.EmptyRead, reason.QueryWithoutRows:
		return Empty
	case reason.StaleFile:
		return Stale
	case reason.MarksUnreadable, reason.TooManyProtected, reason.TooManyUnprotected,
		reason.Unreadable, reason.FileTooLarge, reason.ArchiveUnsafe, reason.ArchiveNested, reason.ArchiveEncrypted,
		reason.ArchiveAmbiguous, reason.AnswerUnreadable,
		reason.ViewMissing, reason.ColumnMissing, reason.ColumnUnlike, reason.QueryRefused:
		return Unreadable
	case reason.CanaryMissing, reason.TransferCut, reason.FileGrowing, reason.FilesMissing, reason.TruncatedFile, reason.AnswerGone, reason.PageLoop,
		reason.SessionEnded, reason.SnapshotLost:
		return Incomplete
	default:
		return Failed
	}
}
