package fdx

import "encoding/json"

// CertificationMetric says how well operations did in a period.
type CertificationMetric struct {
	// ReportStartTimestamp and ReportEndTimestamp bound the period.
	ReportStartTimestamp Timestamp `json:"reportStartTimestamp,omitzero"`
	ReportEndTimestamp   Timestamp `json:"reportEndTimestamp,omitzero"`
	// ReportTimestamp is when the metric was made.
	ReportTimestamp Timestamp     `json:"reportTimestamp,omitzero"`
	MetricsName     string        `json:"metricsName,omitzero"`
	OperationIDs    []OperationID `json:"operationIds,omitempty"`
	// ResponseTimeAverage is in milliseconds.
	ResponseTimeAverage Decimal `json:"responseTimeAverage,omitzero"`
	// AverageUpTime is in percent of the period.
	AverageUpTime Decimal `json:"averageUpTime,omitzero"`
}

// CertificationMetricsAnswer is the answer to getCertificationMetrics.
type CertificationMetricsAnswer struct {
	// Metrics may be empty, which is [] in the JSON and never null.
	Metrics []CertificationMetric `json:"metrics"`
}

// MarshalJSON writes no list as [].
func (a CertificationMetricsAnswer) MarshalJSON() ([]byte, error) {
	type plain CertificationMetricsAnswer
	a.Metrics = listed(a.Metrics)
	return json.Marshal(plain(a))
}
