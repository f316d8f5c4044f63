// Package tenant holds what an operator writes about a customer: settings that report every problem at once, with its
// path, and secrets that are only ever references.
package tenant
