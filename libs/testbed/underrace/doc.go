// Package underrace makes tests that are built with the race detector, under which everything takes ten times as long, try
// each property with 40 draws in the place of 100: the package of the tests imports it for that. -rapid.checks says
// otherwise.
package underrace
