package consent

// Within returns the grant cut down to limit: of each resource that limit
// names, the clusters that the grant holds, implied ones included, and limit
// names. An empty limit leaves the grant as it is; a limit that wants more
// than the grant holds gets no more than that.
func (g Grant) Within(limit []Resource) Grant {
	if len(limit) == 0 {
		return g
	}
	var kept []Resource
	for _, r := range g.Resources {
		for _, l := range limit {
			clusters := r.Clusters.Implied().Intersect(l.Clusters)
			if l.Type == r.Type && l.ID == r.ID && !clusters.Empty() {
				kept = append(kept, Resource{Type: r.Type, ID: r.ID, Clusters: clusters})
			}
		}
	}
	g.Resources = kept
	return g
}
