# The JSON of a probe as one flat object: jq -f status.jq
{
  target: .request.target,
  up: .success,
  latency_ms: (first(.hops[]?.phases[] | select(.name == "connect" and (.incomplete | not)) | .seconds * 1000) // null),
  address,
  error: .failure.message,
  reason: .failure.reason,
  checked_at: .started
}
