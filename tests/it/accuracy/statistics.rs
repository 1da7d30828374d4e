//! The statistics of measurement errors.

use accuracy::statistics::Statistics;

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-12
}

#[test]
fn quantiles_are_values_that_were_measured() {
    // 0.1 ms to 20 ms, unsorted, every second one negative.
    let errors = (0..200_u32).map(|step| {
        let size = f64::from((step * 77) % 200 + 1) * 1e-4;
        if step % 2 == 0 { size } else { -size }
    });
    let it = Statistics::of(errors).unwrap();
    assert_eq!(it.count, 200);
    for (found, expected) in [(it.p50, 0.010), (it.p90, 0.018), (it.p99, 0.0198), (it.max, 0.020)] {
        assert!(close(found, expected), "{it:?}");
    }
    assert!(close(it.over_1ms, 0.95) && close(it.over_10ms, 0.5), "{it:?}");
}

#[test]
fn quantiles_of_few_values_are_exact() {
    assert_eq!(Statistics::of([]), None);
    let it = Statistics::of([-0.25]).unwrap();
    assert!([it.p50, it.p90, it.p99, it.max].iter().all(|value| close(*value, 0.25)));
    assert!(close(it.over_10ms, 1.0));
    // One in a hundred is beyond the 99th percentile; one in 99 is not.
    let one_large = |count: usize| {
        let small = std::iter::repeat_n(0.0, count - 1);
        Statistics::of(small.chain([1.0])).unwrap().p99
    };
    assert!(close(one_large(100), 0.0) && close(one_large(99), 1.0));
}
