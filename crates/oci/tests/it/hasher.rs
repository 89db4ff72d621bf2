// SPDX-License-Identifier: Apache-2.0
//! Running hashes put aside and taken up again, in our form and in Go's.

use oci::{Algorithm, Digest, Hasher, Midstate, MidstateError};
use proptest::prelude::*;

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex"))
        .collect()
}

/// What Go's sha256, sha384 and sha512 marshal after 200 bytes counting up from 0, and the digest.
const GO: [(&str, &str); 3] = [
    (
        "736861032bed68b99987cae48183b2b049d393d0050868e4e8ba3730e9112b08765929b7c0c1c2c3c4c5\
         c6c700000000000000000000000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000c8",
        "1901da1c9f699b48f6b2636e65cbf73abf99d0441ef67f5c540a42f7051dec6f",
    ),
    (
        "736861046f1664d213dd802f7c47bc50637cf93592570a2b8695839148bf38341c6eacd05326452ef1cb\
         e64d90f1ef73bb5ac7d2803565467d0ddb10c5ee3fc050f9f0c1808182838485868788898a8b8c8d8e8f\
         909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9\
         babbbcbdbebfc0c1c2c3c4c5c6c700000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000000000c8",
        "7ea4bb2534c67036f49de7beb5fe8a2478df04ff3fef40a9cd4923999a590e9912df1297217ce1a021aa\
         2fb1013498b8",
    ),
    (
        "736861078e03953cd57cd6879321270afa70c5827bb5b69be59a8f0130147e94f2aedf7bdc01c56c9234\
         3ca8bd837bb7f0208f5a23e155694516b6f147099d491a30b151808182838485868788898a8b8c8d8e8f\
         909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9\
         babbbcbdbebfc0c1c2c3c4c5c6c700000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000000000c8",
        "986058e9895e2c2ab8f9e8cbdf801db12a44842a56a91d5a4e87b1fc98b293722c4664142e42c3c551ff\
         898646268cd92b84ed230b8c94bed7798d4f27cd7465",
    ),
];

fn counting() -> Vec<u8> {
    (0..200).collect()
}

#[test]
fn states_written_by_go_are_read() {
    for (algorithm, (marshalled, digest)) in Algorithm::ALL.into_iter().zip(GO) {
        let hasher = Hasher::from_go(&unhex(marshalled)).expect("Go's state is sound");
        assert_eq!(hasher.algorithm(), algorithm);
        assert_eq!(hasher.length(), 200);
        assert_eq!(hasher.to_go(), unhex(marshalled));
        assert_eq!(hasher.finish().hex(), digest);
        assert_eq!(Digest::of(algorithm, &counting()).hex(), digest);
    }
}

/// Sessions outlive an upgrade of the registry, so the layout of a state may not change unnoticed.
#[test]
fn layout_of_a_state_is_pinned() {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(b"abc");
    let mut expected = Vec::new();
    for word in [
        0x6a09_e667_u32,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ] {
        expected.extend_from_slice(&word.to_le_bytes());
    }
    expected.extend_from_slice(&[0; 8]);
    expected.extend_from_slice(b"\x03abc");
    expected.resize(104, 0);
    let midstate = hasher.midstate();
    assert_eq!(midstate, Midstate { algorithm: Algorithm::Sha256, length: 3, state: expected });
}

#[test]
fn hostile_states_are_errors() {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&counting());
    let sound = hasher.midstate();
    let with = |change: &dyn Fn(&mut Midstate)| {
        let mut midstate = sound.clone();
        change(&mut midstate);
        Hasher::resume(&midstate).err()
    };
    assert_eq!(with(&|_| {}), None);
    let inconsistent = Some(MidstateError::Inconsistent);
    // Another length than the state was made of, also one with the same fill.
    for length in [0, 199, 201, 200 + 64, 200 + (1 << 32), u64::MAX, u64::MAX - 55] {
        assert_eq!(with(&|midstate| midstate.length = length), inconsistent, "{length}");
    }
    // A count of blocks that would overflow when the length in bits is computed.
    for length in [(1 << 61) + 8, u64::MAX - 55] {
        let change = |midstate: &mut Midstate| {
            midstate.length = length;
            midstate.state[32..40].copy_from_slice(&(length / 64).to_le_bytes());
        };
        assert_eq!(with(&change), inconsistent, "{length}");
    }
    // The fill, and what lies behind it.
    assert_eq!(with(&|midstate| midstate.state[40] = 64), inconsistent);
    assert_eq!(with(&|midstate| midstate.state[103] = 1), inconsistent);
    // Sizes and algorithms.
    for algorithm in [Algorithm::Sha384, Algorithm::Sha512] {
        let error = with(&|midstate| midstate.algorithm = algorithm);
        assert_eq!(error, Some(MidstateError::Size { expected: 208, found: 104 }));
    }
    assert!(with(&|midstate| midstate.state.clear()).is_some());
    assert!(with(&|midstate| midstate.state.push(0)).is_some());
}

#[test]
fn hostile_go_states_are_errors() {
    let sound = unhex(GO[0].0);
    let size = MidstateError::Size { expected: 108, found: 107 };
    assert_eq!(Hasher::from_go(&sound[..107]).err(), Some(size));
    assert_eq!(Hasher::from_go(b"").err(), Some(MidstateError::Magic));
    assert_eq!(Hasher::from_go(b"sha").err(), Some(MidstateError::Magic));
    let mut sha224 = sound.clone();
    sha224[3] = 2;
    assert_eq!(Hasher::from_go(&sha224).err(), Some(MidstateError::Magic));
    let mut long = sound.clone();
    long[100..].fill(0xff);
    assert_eq!(Hasher::from_go(&long).err(), Some(MidstateError::Inconsistent));
    // Go itself does not look behind the fill.
    let mut dirty = sound;
    dirty[99] = 1;
    assert_eq!(Hasher::from_go(&dirty).expect("read as Go reads it").finish().hex(), GO[0].1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_split_gives_the_digest_of_the_whole(
        algorithm in algorithms(),
        content in prop::collection::vec(any::<u8>(), 0..700),
        splits in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..6),
    ) {
        let mut cuts: Vec<(usize, bool)> =
            splits.into_iter().map(|(at, go)| (at.index(content.len() + 1), go)).collect();
        cuts.sort_unstable();
        let mut hasher = Hasher::new(algorithm);
        let mut from = 0;
        for (to, go) in cuts {
            hasher.update(&content[from..to]);
            hasher = if go {
                Hasher::from_go(&hasher.to_go()).expect("own state")
            } else {
                Hasher::resume(&hasher.midstate()).expect("own state")
            };
            prop_assert_eq!(hasher.length(), to as u64);
            from = to;
        }
        hasher.update(&content[from..]);
        prop_assert_eq!(hasher.finish(), Digest::of(algorithm, &content));
    }

    #[test]
    fn arbitrary_states_never_panic(
        algorithm in algorithms(),
        length in prop_oneof![any::<u64>(), 0..300_u64],
        state in prop_oneof![
            prop::collection::vec(any::<u8>(), 104),
            prop::collection::vec(any::<u8>(), 208),
            prop::collection::vec(any::<u8>(), 0..300),
        ],
        consistent in any::<bool>(),
    ) {
        let mut state = state;
        if consistent && state.len() >= 104 {
            let (words, counter, block) =
                if state.len() >= 208 { (64, 16, 128) } else { (32, 8, 64) };
            state[words..words + counter].fill(0);
            state[words..words + 8].copy_from_slice(&(length / block).to_le_bytes());
            state[words + counter] = (length % block) as u8;
            state[words + counter + 1..].fill(0);
        }
        if let Ok(mut hasher) = Hasher::resume(&Midstate { algorithm, length, state }) {
            hasher.update(&[1; 300]);
            hasher.finish();
        }
    }

    #[test]
    fn arbitrary_go_states_never_panic(
        magic in prop::sample::select(vec![*b"sha\x03", *b"sha\x04", *b"sha\x07", *b"sha\x02"]),
        rest in prop_oneof![
            prop::collection::vec(any::<u8>(), 104),
            prop::collection::vec(any::<u8>(), 200),
            prop::collection::vec(any::<u8>(), 0..300),
        ],
    ) {
        if let Ok(mut hasher) = Hasher::from_go(&[&magic[..], &rest].concat()) {
            hasher.update(&[1; 300]);
            hasher.finish();
        }
    }
}
