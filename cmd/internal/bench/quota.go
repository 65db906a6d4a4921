package bench

import quotas "github.com/headgate/headgate/internal/limit"

// plenty is a quota that is counted as in production and never used up.
const plenty = quotas.MaxQuota
