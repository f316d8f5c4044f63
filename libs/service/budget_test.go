package service

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"eventful.se/ess/libs/budget"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

// budgeted is set up with the project under which its calls are counted.
type budgeted struct {
	Project string `yaml:"project"`
	opened  func(*budget.Budget)
}

func (*budgeted) Validate(tenant.Problems) {}

func (c *budgeted) Open(env target.Env) (*target.Target, error) {
	c.opened(env.Budgets.Of(budget.Spec{Name: "counted", Scope: c.Project, Rate: 1}))
	return &target.Target{}, nil
}

func TestLinksOfOneProjectShareItsCallsAcrossTenants(t *testing.T) {
	var opened []*budget.Budget
	targets := []target.Connector{{System: "counted", New: func() target.Config {
		return &budgeted{opened: func(b *budget.Budget) { opened = append(opened, b) }}
	}}}
	h := &Host{
		Store: new(store.Store), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now, Telemetry: &Telemetry{},
		Budgets: budget.NewSet(time.Now, budget.Sleep),
	}
	for _, text := range []string{
		"tenant: lund\npepper: env:NONE\nlinks: [{target: counted, settings: {project: p}}, {target: counted, instance: two, settings: {project: q}}]",
		"tenant: eslov\npepper: env:NONE\nlinks: [{target: counted, settings: {project: p}}]",
	} {
		d, err := tenant.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Open(d, nil, targets); err != nil {
			t.Fatal(err)
		}
	}
	if len(opened) != 3 || opened[0] != opened[2] || opened[0] == opened[1] || opened[1] == nil {
		t.Errorf("the links of projects p, q and p draw from %v", opened)
	}
}
