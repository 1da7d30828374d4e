// Load on the service: 50 requests per second for a minute. The thresholds are those of alerts.yml.
//
//   k6 run -e URL=http://localhost:8080/health service.js

import { check } from 'k6';
import http from 'k6/http';

export const options = {
  scenarios: {
    requests: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 50),
      duration: __ENV.DURATION || '1m',
      preAllocatedVUs: 50,
    },
  },
  thresholds: {
    checks: ['rate>0.99'],
    http_req_duration: ['p(95)<250'],
  },
};

export default function () {
  const response = http.get(__ENV.URL);
  check(response, { 'status is 200': (r) => r.status === 200 });
}
