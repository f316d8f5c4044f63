// Package store keeps the roster log, the ledgers and the runs in NATS JetStream. It is the only package that knows
// NATS: domain in, domain out.
//
// [Connect] gives a [Store], [Embedded] a server in the process. Of a store, [Store.Log] is the roster log of a tenant
// as sources and targets see it, [Store.Ledger] what its links know that targets hold, [Store.Runs] what its reads came
// to. [Store.EnsureTenant] makes the streams of a tenant, and nothing else does: a lost stream is an error, never an
// empty one. docs/storage.md lists every stream, its subjects and who may do what.
//
// # When NATS does not answer
//
// A refused expectation is an answer: nothing was stored. No answer is none: what was sent may be stored. Such an
// error has the reason [reason.OutcomeUnknown] and is transient; whoever gets it reads again what is there before
// writing again. A missing permission looks like no answer too; the store hears of it apart and names it with the
// reason [reason.LogRefused].
package store
