// Load on the exporter: probes of one target, as many per second as a Prometheus with RATE × 15 targets requests every 15 s.
// A probe that fails or is refused is a failed check.
//
//   k6 run -e EXPORTER=http://localhost:9115 -e TARGET=http://localhost:8080/health exporter.js

import { check } from 'k6';
import http from 'k6/http';

const target = encodeURIComponent(__ENV.TARGET);
const url = `${__ENV.EXPORTER}/probe?module=${__ENV.MODULE || 'http_2xx'}&target=${target}`;

export const options = {
  scenarios: {
    scrapes: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 100),
      duration: __ENV.DURATION || '1m',
      preAllocatedVUs: 100,
    },
  },
  thresholds: {
    checks: ['rate>0.999'],
    dropped_iterations: ['count<1'],
  },
};

export default function () {
  const response = http.get(url, { headers: { 'X-Prometheus-Scrape-Timeout-Seconds': '10' } });
  check(response, { 'the probe succeeds': (r) => /^probe_success 1$/m.test(r.body) });
}
