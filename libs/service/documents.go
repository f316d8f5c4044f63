package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/tenant"
)

// Applied stands in place of the folder of documents: they are those that were applied to the log's cluster.
const Applied = "nats:"

// wanted is a document as it is now: one that is to be run, or what is wrong with it.
type wanted struct {
	tenant string // empty where not even that can be told
	digest string
	doc    *tenant.Document
	err    error // with the place where the document stands
}

// lookEvery is how often a folder is looked at. A change counts when two looks agree, for who saves a file may have written
// the half of it: a document without its last lines can be a valid one.
const lookEvery = 500 * time.Millisecond

// followFolder hands over the documents of a folder, at once and whenever one is another than before, until ctx ends. It
// goes by what stands in the files: Kubernetes swaps a link for all of them. reload has the folder believed as it is now.
func followFolder(ctx context.Context, dir string, reload <-chan os.Signal, set func([]wanted, error)) {
	folder := tenant.NewFolder(dir)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var before, told string
	for now := true; ; {
		files, err := folder.Read()
		parts := []string{fmt.Sprint(err)}
		for _, f := range files {
			parts = append(parts, f.Path, f.Digest, fmt.Sprint(f.Err))
		}
		state := strings.Join(parts, "\x00")
		if now || state == before && state != told {
			told = state
			set(wantedOfFiles(files), err)
		}
		before = state
		select {
		case <-ctx.Done():
			return
		case <-reload:
			now = true
		case <-tick.C:
			now = false
		}
	}
}

func wantedOfFiles(files []tenant.File) (list []wanted) {
	for _, f := range files {
		list = append(list, wanted{f.Tenant, f.Digest, f.Document, f.Err})
	}
	return list
}

// followApplied hands over the documents that are in force in the log's cluster, of one tenant where one is named, at once and whenever one changes, until
// ctx ends. What the cluster has lost is wrong, not retired.
func followApplied(ctx context.Context, st *store.Store, name string, set func([]wanted, error)) {
	known := map[string]bool{}
	st.Tenants().Follow(ctx, name, func(news []store.TenantNews, err error) {
		if reason.Of(err).Code == reason.LogMissing && len(known) == 0 {
			err = fmt.Errorf("no document was ever applied: essctl tenants apply does: %w", err)
		}
		if err != nil {
			set(nil, err)
			return
		}
		lost := maps.Clone(known)
		var list []wanted
		for _, n := range news {
			known[n.Tenant] = true
			delete(lost, n.Tenant)
			if n.Err != nil || n.InForce() {
				list = append(list, wantedOfVersion(n))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(lost)) {
			list = append(list, wanted{tenant: name, err: fmt.Errorf("the document of tenant %s is gone from the cluster, and was not retired: apply it again", name)})
		}
		set(list, nil)
	})
}

func wantedOfVersion(n store.TenantNews) wanted {
	w := wanted{tenant: n.Tenant, digest: n.Digest, err: n.Err}
	if w.err != nil {
		return w
	}
	d, err := tenant.Parse(n.Document)
	if err == nil && d.Tenant != n.Tenant {
		err = fmt.Errorf("it is about tenant %s", d.Tenant)
	}
	if err != nil {
		w.err = fmt.Errorf("version %d of tenant %s: %w", n.Number, n.Tenant, err)
		return w
	}
	w.doc = d
	return w
}

// AppliedDocuments returns the documents in force that can be used, by tenant, whatever is wrong with the others, which the
// error names.
func AppliedDocuments(ctx context.Context, st *store.Store) (docs []*tenant.Document, err error) {
	list, err := st.Tenants().News(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, n := range list {
		if n.Err == nil && !n.InForce() {
			continue
		}
		w := wantedOfVersion(n)
		if w.err != nil {
			errs = append(errs, w.err)
			continue
		}
		docs = append(docs, w.doc)
	}
	if len(docs) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no tenant is in force: apply its document with essctl tenants apply"))
	}
	return docs, errors.Join(errs...)
}
