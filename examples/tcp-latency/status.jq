# The JSON of a probe as one flat object, without a latency if the connection failed: jq -f status.jq
{
  target: .request.target,
  up: .success,
  latency_ms: (if .success then .hops[0].phases[] | select(.name == "connect") | .seconds * 1000 else null end),
  address,
  error: .failure.message,
  reason: .failure.reason,
  checked_at: .started
}
