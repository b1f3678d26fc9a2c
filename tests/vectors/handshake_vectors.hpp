// Made by make_handshake.py, a second implementation of the handshake; do not edit.
#pragma once

#include <cstdint>
#include <string_view>

namespace culvert::vectors {

struct Handshake {
  std::string_view name;
  std::string_view initiator_private;  // static keys; all values are hex in the order of the wire
  std::string_view initiator_public;
  std::string_view responder_private;
  std::string_view responder_public;
  std::string_view initiator_ephemeral;  // private halves, clamped
  std::string_view responder_ephemeral;
  std::string_view preshared_key;
  std::string_view timestamp;  // TAI64N of the two numbers at the end, its low 24 bits cleared
  std::string_view initiation_hash;  // H and C after the initiation
  std::string_view initiation_chaining_key;
  std::string_view response_hash;  // H and C after the response
  std::string_view response_chaining_key;
  std::string_view initiator_to_responder;  // the transport keys
  std::string_view responder_to_initiator;
  std::string_view initiation;  // mac2 is zeros
  std::string_view initiation_with_cookie;  // same, with mac2 by `cookie`
  std::string_view response;  // mac2 is zeros
  std::string_view response_with_cookie;  // same, with mac2 by `cookie`
  std::string_view cookie_secret;  // R of the responder
  std::string_view cookie_source;  // whose address and port it is for
  std::string_view cookie;
  std::string_view cookie_nonce;
  std::string_view cookie_reply;  // to `initiation`
  std::string_view inner_packet;  // IPv4, before padding
  std::string_view keepalive_0;  // data messages; the digit is the counter
  std::string_view data_1;
  std::string_view answer_0;  // from the responder, same inner packet
  std::uint32_t initiator_index;
  std::uint32_t responder_index;
  std::int64_t unix_seconds;
  std::int64_t nanoseconds;
};

// clang-format off
inline constexpr Handshake handshakes[] = {
    {
        .name = "without a preshared key",
        .initiator_private = "f8f97ce8c8579229bed78eec437793ab4b38eac9f19c6b2ac4d7d30ca2124053",
        .initiator_public = "66c086c057f78d0c880695b8bdc64153495daf76a9156f6ba2a38b4c4e1d6c58",
        .responder_private = "c009b2522f47a337b0aa20312ca79312cd609cda0d2563520e2246f7da34f55d",
        .responder_public = "3bd6710732de98aa9630871e5d545c7c8a9f5eb35ba0e6e97642c2df275f6824",
        .initiator_ephemeral = "98ab20f98ccd418f22df0b4476fc6fba6a26a823d1610637df043326a1bb3a68",
        .responder_ephemeral = "1847cd1bdf2d1576034ac62fac9516219b69f624914687697f214853364f744b",
        .preshared_key = "0000000000000000000000000000000000000000000000000000000000000000",
        .timestamp = "400000006553f10a07000000",
        .initiation_hash = "7c3ad0acf91a697bc6d2abf98c22d3d723239b96673dc44a18db36efc64931e7",
        .initiation_chaining_key = "671dcddc9811c3053324214299cfae50ee1e57f33f483a7deb79df74b6f5c33c",
        .response_hash = "1a28949bc35fdc0235dbd7346e57673179a17f7987068fdba4d9c936b63bd05b",
        .response_chaining_key = "ad1b51fb2655005b5f7c0a3c6f9bf48464f5b1c3e2c83eb0ef2b9f45dd746118",
        .initiator_to_responder = "4bb898b5bb328bf3bca08120318932d7a8308d19e82e2cfa483df361855beb44",
        .responder_to_initiator = "798ec4ee9d522f829cf1c2e14c276946acce776219fc08c4c3b3a48e747e48c9",
        .initiation = "01000000003c2b1a4959aa534883f0ce5def9c4dd9052c6496eb585311b4e3fe9a62a3344fb7a443"
        "d4357720884de5cc437d4e14921172c8f51a0f8c5a243cf6adef971a61a497921eb0c289873b87dc"
        "1f0d1bb315a11f86e314b05b6febcb5927473b1be4d3005c3f5714dfebde526888a60bf06a8ba966"
        "48d216bc192a712aa915222c00000000000000000000000000000000",
        .initiation_with_cookie = "01000000003c2b1a4959aa534883f0ce5def9c4dd9052c6496eb585311b4e3fe9a62a3344fb7a443"
        "d4357720884de5cc437d4e14921172c8f51a0f8c5a243cf6adef971a61a497921eb0c289873b87dc"
        "1f0d1bb315a11f86e314b05b6febcb5927473b1be4d3005c3f5714dfebde526888a60bf06a8ba966"
        "48d216bc192a712aa915222cfdc7cbaba0fe86a1aae6fe33c287849f",
        .response = "02000000017f6e5d003c2b1afa993b9f4fd50d0e669b0f98dc08c88865d74c507fa6279eb64993f4"
        "9801816fd0f2407938be680e46f1e9fc2008e0554ce7ef64901e2766eb63b573c2a636d400000000"
        "000000000000000000000000",
        .response_with_cookie = "02000000017f6e5d003c2b1afa993b9f4fd50d0e669b0f98dc08c88865d74c507fa6279eb64993f4"
        "9801816fd0f2407938be680e46f1e9fc2008e0554ce7ef64901e2766eb63b573c2a636d468e1482b"
        "8b4b421d8358ee38a8e310ab",
        .cookie_secret = "983436294e6c1742149429b56622c744b269e677f02d22fd071a72cdb7709912",
        .cookie_source = "192.0.2.7:51820",
        .cookie = "9af973b29d0f228d0a8a2e338f0fa913",
        .cookie_nonce = "bc4e6fdc817c05eb2bd834c02a8783a68071ba91bf561b03",
        .cookie_reply = "03000000003c2b1abc4e6fdc817c05eb2bd834c02a8783a68071ba91bf561b039cc0ac8381411321"
        "d8cf4231fb8ecf8675dcc0e06ce462c77c93dd6df688fddb",
        .inner_packet = "450000551234000040119c120a000002c00002509c40003500410000000000000000000000000000"
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "0000000000",
        .keepalive_0 = "04000000017f6e5d000000000000000032660f5fb95d6b3fb85710dc4d1d5044",
        .data_1 = "04000000017f6e5d01000000000000001875f267ad2b0fa5f11674a552a5f83257d05f0525154d5f"
        "b6801ef2ee1b9ab7f6ca185cc0b967da8d2ea7cebdd7f6bb1cc0fbf2b83a35d0c74c2e2417be2788"
        "7aeeba68fa52a5c6bb89aef28532e746e82b11bfde3d96ec8559fd633be29ddedce1d0b07eac7ece"
        "ac647b57305140e7",
        .answer_0 = "04000000003c2b1a0000000000000000194971b123062e1dddeea05036d3530c25b5e868166dc695"
        "ca9ae65700ba46d45b1a5f79f9840faea6a2f8f4d02c0196dfa2e2509cde9bddf6d45005a054735c"
        "dacf041e216f75b81c5ff4073da70935ae8423c35be88dea64bf8e1952dce1e38c386ef3348b2283"
        "fc416d6e84a6fa3c",
        .initiator_index = 0x1a2b3c00,
        .responder_index = 0x5d6e7f01,
        .unix_seconds = 1700000000,
        .nanoseconds = 123456789,
    },
    {
        .name = "with a preshared key",
        .initiator_private = "f8f97ce8c8579229bed78eec437793ab4b38eac9f19c6b2ac4d7d30ca2124053",
        .initiator_public = "66c086c057f78d0c880695b8bdc64153495daf76a9156f6ba2a38b4c4e1d6c58",
        .responder_private = "c009b2522f47a337b0aa20312ca79312cd609cda0d2563520e2246f7da34f55d",
        .responder_public = "3bd6710732de98aa9630871e5d545c7c8a9f5eb35ba0e6e97642c2df275f6824",
        .initiator_ephemeral = "c8b218c7558f6f25b0cff271107ed9dbf9247bd32c924153dab520aaac27e944",
        .responder_ephemeral = "50089905cb8c91f630637f40f85b01c5595265e7365d314ab1449ffe95072470",
        .preshared_key = "c03767248b35063af690d6bfc218202f8ba11c9e81934d1d5ef82e01f3a38aee",
        .timestamp = "400000006553f10a07000000",
        .initiation_hash = "e42482e5df31ac090623e7ef3643d7bec2a89115de50a5e577fab02cac0999dc",
        .initiation_chaining_key = "63df511c2d0c0416016b40b11d4acc8970cae779f6fa4bf0045838c288857e22",
        .response_hash = "7042a3b778d78887408e7896c275279e5853a78cc0bb187e030faa6041706434",
        .response_chaining_key = "8cc4c02dc45dee4a4bf9ba0498af96f320ce2871ee1fe6a1a836ef6e422ef7e7",
        .initiator_to_responder = "56272dafabfea0d1a91952dfdf1521b4fb91f64dd9fc938441edcbd3d3bb940d",
        .responder_to_initiator = "730548d3f591d27a2381968b0e732b2b598c8348599307ae53535e4505b3a51c",
        .initiation = "01000000003c2b1a27db8d32bf625a2653bac5757f47faf67257e9625e31edf67f3bfc2365c8be6f"
        "98721663164ae10e0a49dee4d3154ef02269b30b90c0973f0e4d0af30edf8bb1261dc8cdcc517fe6"
        "42cf11c75d30db24421dccd60a58a3d63c3eb77f17519aca57e8aaae3e6dc0f74fb41a2f245b4d40"
        "3c97cab0537233604180f3ec00000000000000000000000000000000",
        .initiation_with_cookie = "01000000003c2b1a27db8d32bf625a2653bac5757f47faf67257e9625e31edf67f3bfc2365c8be6f"
        "98721663164ae10e0a49dee4d3154ef02269b30b90c0973f0e4d0af30edf8bb1261dc8cdcc517fe6"
        "42cf11c75d30db24421dccd60a58a3d63c3eb77f17519aca57e8aaae3e6dc0f74fb41a2f245b4d40"
        "3c97cab0537233604180f3ec2288cee061e1919de8f7084a3368236f",
        .response = "02000000017f6e5d003c2b1adad03aaf363a46e29fb411f317ec1e3e6cb00e0339a6fd8bff5eba46"
        "5bb2857ed74e1a33c9ff58764a3b9e60a6ac569a4e82b8a4b6c98578e8b123d26b780e7400000000"
        "000000000000000000000000",
        .response_with_cookie = "02000000017f6e5d003c2b1adad03aaf363a46e29fb411f317ec1e3e6cb00e0339a6fd8bff5eba46"
        "5bb2857ed74e1a33c9ff58764a3b9e60a6ac569a4e82b8a4b6c98578e8b123d26b780e743f4dcebe"
        "de01a340f8d1315c669979f8",
        .cookie_secret = "983436294e6c1742149429b56622c744b269e677f02d22fd071a72cdb7709912",
        .cookie_source = "192.0.2.7:51820",
        .cookie = "9af973b29d0f228d0a8a2e338f0fa913",
        .cookie_nonce = "bc4e6fdc817c05eb2bd834c02a8783a68071ba91bf561b03",
        .cookie_reply = "03000000003c2b1abc4e6fdc817c05eb2bd834c02a8783a68071ba91bf561b039cc0ac8381411321"
        "d8cf4231fb8ecf86d4a6a6699924183fd86a89b5e8fc37cd",
        .inner_packet = "450000551234000040119c120a000002c00002509c40003500410000000000000000000000000000"
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "0000000000",
        .keepalive_0 = "04000000017f6e5d00000000000000005c7edf563d875aabc60965c72bd93f93",
        .data_1 = "04000000017f6e5d0100000000000000cc0d6f3a9f3b4e7163d6e452de6a20469b1873b95ee0dd3f"
        "4c281ff11e5a767835ad6daa500a08bc6f6808b9eb0ccd30b3d5c8564c60bface072da47ffc50ce0"
        "27bfb26c33e47908ccf02aa201aa55a266fd19e289bd870e5c6cf955b502b63421e44fa9905b8c70"
        "2e560accbb307354",
        .answer_0 = "04000000003c2b1a000000000000000010b26b37096421b5ce5fd178093aaf69fc641fd57b5f2121"
        "f30d1d70f114778232a0a7fc85b042f9a78fb25db1b861e9bdc5982f371f4626fdb11a8c4e7ecfe1"
        "f5f47c74e80902d3c620ff97ebe7a96a9cd5ddd8e4c316d6f33cff6e84fba0cb0f79ba09e886ce1f"
        "0d1ec33610f7b532",
        .initiator_index = 0x1a2b3c00,
        .responder_index = 0x5d6e7f01,
        .unix_seconds = 1700000000,
        .nanoseconds = 123456789,
    },
};
// clang-format on

}  // namespace culvert::vectors
