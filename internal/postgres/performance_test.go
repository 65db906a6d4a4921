package postgres

import (
	"testing"

	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

func TestPerformance(t *testing.T) {
	t.Parallel()
	resourcetest.Performance(t, func(t *testing.T) resource.Performance { return openDB(t).Performance() })
}
