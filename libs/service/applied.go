package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

// Applied stands in place of the folder of documents: they are those that were applied to the log's cluster.
const Applied = "nats:"

// AppliedDocuments returns the documents in force that can be used, by tenant, whatever is wrong with the others, which the
// error names.
func AppliedDocuments(ctx context.Context, st *store.Store) (docs []*tenant.Document, err error) {
	list, err := st.Tenants().List(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b store.TenantVersion) int { return cmp.Compare(a.Tenant, b.Tenant) })
	var errs []error
	for _, v := range list {
		if !v.InForce() {
			continue
		}
		d, err := tenant.Parse(v.Document)
		if err == nil && d.Tenant != v.Tenant {
			err = fmt.Errorf("it is about tenant %s", d.Tenant)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("version %d of tenant %s: %w", v.Number, v.Tenant, err))
			continue
		}
		docs = append(docs, d)
	}
	if len(docs) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no tenant is in force: apply its document with essctl tenants apply"))
	}
	return docs, errors.Join(errs...)
}
