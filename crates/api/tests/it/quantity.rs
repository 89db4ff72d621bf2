// SPDX-License-Identifier: Apache-2.0
//! Quantities: canonical forms as Kubernetes writes them, and arithmetic against plain numbers.

use api::quantity::{Format, Quantity, QuantityError};
use proptest::prelude::*;

fn q(text: &str) -> Quantity {
    Quantity::parse(text).expect(text)
}

#[test]
fn canonical_forms() {
    // Input and what Kubernetes prints for it.
    let table = [
        ("0", "0"),
        ("0Ki", "0"),
        ("00.0m", "0"),
        ("1", "1"),
        ("1000", "1k"),
        ("1500m", "1500m"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5Gi", "1536Mi"),
        ("0.1Gi", "107374182400m"),
        ("0.0001Ki", "102400u"),
        ("1024Mi", "1Gi"),
        ("1025Mi", "1025Mi"),
        ("1Ki", "1Ki"),
        ("512Ki", "512Ki"),
        ("1000Ki", "1000Ki"),
        ("100", "100"),
        ("12e6", "12e6"),
        ("12E6", "12E6"),
        ("1.5e3", "1500"),
        ("1e-3", "1e-3"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1.1n", "2n"),
        ("1G", "1G"),
        ("-5Mi", "-5Mi"),
        ("10000000Ei", "9223372036854775807"),
        ("1000E", "1000E"),
        ("1.500G", "1.500G"),
        ("+1", "+1"),
    ];
    for (input, output) in table {
        assert_eq!(q(input).to_string(), output, "{input}");
    }
}

#[test]
fn refusals() {
    let table = [
        ("", QuantityError::Format),
        ("aaa", QuantityError::Format),
        ("1 ", QuantityError::Format),
        ("1i", QuantityError::Suffix),
        ("1kk", QuantityError::Suffix),
        ("1e", QuantityError::Suffix),
        ("1.2.3", QuantityError::Format),
        ("1e99999999999999999999", QuantityError::Suffix),
        ("1e2000000000", QuantityError::Numeric),
        ("111111111111111111111111111111111111111111111111", QuantityError::Numeric),
    ];
    for (input, error) in table {
        assert_eq!(Quantity::parse(input).expect_err(input), error, "{input}");
    }
}

#[test]
fn values_round_away_from_zero() {
    assert_eq!(q("1.1").value(), 2);
    assert_eq!(q("-1.1").value(), -2);
    assert_eq!(q("1n").value(), 1);
    assert_eq!(q("250m").milli_value(), 250);
    assert_eq!(q("1u").milli_value(), 1);
    assert_eq!(q("1e900").value(), i64::MAX);
    assert_eq!(q("-1e900").value(), i64::MIN);
}

#[test]
fn sums_keep_the_first_notation() {
    assert_eq!(q("1Gi").add(&q("1G")).to_string(), "2073741824");
    assert_eq!(Quantity::zero().add(&q("2Gi")).to_string(), "2Gi");
    assert_eq!(q("1Gi").add(&q("1Gi")).format(), Format::BinarySi);
    assert_eq!(q("1").sub(&q("250m")).to_string(), "750m");
    assert_eq!(q("1e900").add(&q("1n")), q("1e900"));
    assert!(q("1e900") > q("9e899") && q("-1e900") < q("1n") && q("1Ki") == q("1024"));
}

proptest! {
    #[test]
    fn no_text_makes_it_fail_badly(text in "[-+0-9.eEinumkKMGTP ]{0,50}|.{0,20}") {
        if let Ok(quantity) = Quantity::parse(&text) {
            let again = Quantity::parse(&quantity.to_string()).expect("its own form");
            prop_assert_eq!(&again, &quantity);
            // What is written once is written the same for ever.
            prop_assert_eq!(again.to_string(), quantity.to_string());
            let _ = (quantity.value(), quantity.milli_value());
        }
    }

    #[test]
    fn arithmetic_is_that_of_numbers(
        a in -1_000_000_000_i64..1_000_000_000,
        b in -1_000_000_000_i64..1_000_000_000,
    ) {
        let (x, y) = (Quantity::from_millis(a), Quantity::from_millis(b));
        prop_assert_eq!(x.add(&y).milli_value(), a + b);
        prop_assert_eq!(x.sub(&y).milli_value(), a - b);
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(q(&format!("{a}m")), x);
    }

    #[test]
    fn sums_of_anything_do_not_panic(
        a in "-?[0-9]{1,37}(e-?[0-9]{1,3}|Ei|n)?",
        b in "-?[0-9]{1,37}(e-?[0-9]{1,3}|Ei|n)?",
    ) {
        if let (Ok(a), Ok(b)) = (Quantity::parse(&a), Quantity::parse(&b)) {
            let sum = a.add(&b);
            prop_assert_eq!(&sum, &b.add(&a));
            let _ = (sum.to_string(), a.sub(&b), sum.value());
        }
    }
}
