#include "control/uapi.hpp"

#include <cerrno>

#include "tests/support/fake_server.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using namespace culvert;

namespace {

const std::string a(64, 'a'), b(64, 'b'), zeros(64, '0');

// Takes a whole request; false if its blank line did not end it.
bool take(UapiRequest& request, std::string_view text) {
  while (!text.empty()) {
    const auto newline = text.find('\n');
    const bool last = request.take(text.substr(0, newline));
    text.remove_prefix(newline + 1);
    if (last) return text.empty();
  }
  return false;
}

int error_of(const std::string& lines) {
  UapiRequest request;
  REQUIRE(take(request, "set=1\n" + lines + "\n"));
  CHECK((request.error() == 0) == request.reason().empty());
  return request.error();
}

int peer_error(const std::string& line) {
  return error_of("public_key=" + a + "\n" + line + "\n");
}

DeviceChange change_of(const std::string& lines, const wg::PublicKey& own = {}) {
  UapiRequest request;
  REQUIRE(take(request, "set=1\n" + lines + "\n"));
  REQUIRE(request.error() == 0);
  return request.take_change(own);
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes)
    for (const unsigned digit : {unsigned(byte) >> 4, unsigned(byte) & 15})
      text += "0123456789abcdef"[digit];
  return text;
}

}  // namespace

TEST_CASE("a get is a get") {
  UapiRequest request;
  CHECK(take(request, "get=1\n\n"));
  CHECK_FALSE(request.is_set());
  CHECK(request.error() == 0);
}

TEST_CASE("every key of a device and a peer is read") {
  const DeviceChange change =
      change_of("private_key=" + std::string(64, '4') +
                "\nlisten_port=51821\nfwmark=4294967295\n"
                "public_key=" +
                a + "\nupdate_only=true\npreshared_key=" + b +
                "\nendpoint=[2001:db8::1]:65535\npersistent_keepalive_interval=65535\nreplace_"
                "allowed_ips=true\n"
                "allowed_ip=10.8.0.2/32\nallowed_ip=-fd08::/64\nprotocol_version=1\n"
                "public_key=" +
                b + "\nremove=true\n");
  REQUIRE(change.private_key);
  CHECK(hex(change.private_key->bytes()) == std::string(64, '4'));
  CHECK(change.listen_port == 51821);
  CHECK(change.fwmark == 4294967295u);
  REQUIRE(change.peers.size() == 2);
  const PeerChange& peer = change.peers[0];
  CHECK(hex(peer.public_key.bytes) == a);
  CHECK(peer.update_only);
  CHECK_FALSE(peer.remove);
  REQUIRE(peer.preshared_key);
  CHECK(hex(peer.preshared_key->bytes()) == b);
  CHECK(peer.endpoint == base::Endpoint::parse("[2001:db8::1]:65535"));
  CHECK(peer.persistent_keepalive == std::chrono::seconds(65535));
  CHECK(peer.replace_allowed_ips);
  REQUIRE(peer.allowed_ips.size() == 2);
  CHECK(peer.allowed_ips[0].prefix == base::Prefix::parse("10.8.0.2/32"));
  CHECK_FALSE(peer.allowed_ips[0].remove);
  CHECK(peer.allowed_ips[1].prefix == base::Prefix::parse("fd08::/64"));
  CHECK(peer.allowed_ips[1].remove);
  CHECK(change.peers[1].remove);
}

TEST_CASE("what a set does not name stays as it is") {
  const DeviceChange change = change_of("public_key=" + a + "\n");
  CHECK_FALSE(change.private_key);
  CHECK_FALSE(change.listen_port);
  CHECK_FALSE(change.fwmark);
  CHECK_FALSE(change.replace_peers);
  REQUIRE(change.peers.size() == 1);
  CHECK_FALSE(change.peers[0].preshared_key);
  CHECK_FALSE(change.peers[0].endpoint);
  CHECK_FALSE(change.peers[0].persistent_keepalive);
  CHECK(change_of("").peers.empty());
}

TEST_CASE(
    "zeros: a preshared key is cleared, any port is the present one, a mark of none is a mark") {
  const DeviceChange change =
      change_of("listen_port=0\nfwmark=0\npublic_key=" + a + "\npreshared_key=" + zeros + "\n");
  CHECK_FALSE(change.listen_port);
  CHECK(change.fwmark == 0u);
  REQUIRE(change.peers.at(0).preshared_key);
  CHECK(change.peers[0].preshared_key->is_zero());
}

TEST_CASE("a server is not left without its private key") {
  CHECK(error_of("private_key=" + zeros + "\n") == -EOPNOTSUPP);
}

TEST_CASE("what replace_allowed_ips follows is replaced too") {
  const DeviceChange change = change_of("public_key=" + a +
                                        "\nallowed_ip=10.0.0.1/32\nreplace_allowed_ips=true\n"
                                        "allowed_ip=10.0.0.2/32\n");
  REQUIRE(change.peers.at(0).allowed_ips.size() == 1);
  CHECK(change.peers[0].allowed_ips[0].prefix == base::Prefix::parse("10.0.0.2/32"));
}

TEST_CASE("peers that replace all others begin with nothing but what is said of them") {
  const DeviceChange change = change_of(
      "replace_peers=true\npublic_key=" + a + "\nallowed_ip=10.0.0.1/32\npublic_key=" + b +
      "\nupdate_only=true\npublic_key=" + a + "\npersistent_keepalive_interval=5\n");
  CHECK(change.replace_peers);
  REQUIRE(change.peers.size() == 3);
  const PeerChange& first = change.peers[0];
  REQUIRE(first.preshared_key);
  CHECK(first.preshared_key->is_zero());
  CHECK(first.persistent_keepalive == std::chrono::seconds(0));
  CHECK(first.replace_allowed_ips);
  CHECK(first.allowed_ips.size() == 1);
  CHECK(change.peers[1].remove);
  CHECK_FALSE(change.peers[2].preshared_key);
  CHECK_FALSE(change.peers[2].replace_allowed_ips);
}

TEST_CASE("the server's own key as a peer is ignored, the present one or the one it gets") {
  wg::PrivateKey key;
  key.mutable_bytes()[3] = std::byte{9};
  const wg::PublicKey own = wg::public_key_of(key);
  const std::string peers =
      "public_key=" + hex(own.bytes) + "\nallowed_ip=10.0.0.1/32\npublic_key=" + a + "\n";
  CHECK(change_of(peers, own).peers.size() == 1);
  CHECK(change_of("private_key=" + hex(key.bytes()) + "\n" + peers).peers.size() == 1);
  CHECK(change_of("private_key=" + std::string(64, '4') + "\n" + peers, own).peers.size() == 2);
}

TEST_CASE("hexadecimal digits may be of either case") {
  const DeviceChange change = change_of("public_key=" + std::string(64, 'F') + "\n");
  CHECK(hex(change.peers.at(0).public_key.bytes) == std::string(64, 'f'));
}

TEST_CASE("a wrong value of a device key is EINVAL") {
  const auto line = GENERATE_COPY(
      "private_key=" + a.substr(1), "private_key=" + a + "a", "private_key=" + a.substr(1) + "g",
      "private_key=", "private_key=" + a.substr(1) + "/", "private_key=" + a.substr(1) + ":",
      "private_key=" + a.substr(1) + "@", "private_key=" + a.substr(1) + "`",
      "private_key=" + a.substr(1) + "\x80", "listen_port=65536", "listen_port=", "listen_port=-1",
      "listen_port=+1", "listen_port= 1", "listen_port=1 ", "listen_port=0x1", "fwmark=4294967296",
      "fwmark=", "fwmark=off", "replace_peers=false", "replace_peers=", "replace_peers=TRUE",
      "unknown=1", "=1", "update_only=true", "allowed_ip=10.0.0.1/32", "public_key=" + b.substr(1),
      "public_key=", "set=1", "errno=0", "Private_key=" + a);
  INFO(line);
  CHECK(error_of(line + "\n") == -EINVAL);
}

TEST_CASE("a wrong value of a peer key is EINVAL") {
  const auto line = GENERATE_COPY(
      "preshared_key=" + b.substr(1), "preshared_key=", std::string("endpoint=10.0.0.1"),
      "endpoint=10.0.0.1:", "endpoint=10.0.0.1:65536", "endpoint=10.0.0.1:0",
      "endpoint=2001:db8::1:51820", "endpoint=[10.0.0.1]:51820", "endpoint=[2001:db8::1]",
      "endpoint=[2001:db8::1]51820", "endpoint=host:51820",
      "endpoint=", "endpoint=[fe80::1%1]:51820", "persistent_keepalive_interval=65536",
      "persistent_keepalive_interval=off", "persistent_keepalive_interval=-1",
      "persistent_keepalive_interval=", "replace_allowed_ips=false", "remove=1",
      "update_only=", "allowed_ip=10.0.0.1", "allowed_ip=10.0.0.1/33", "allowed_ip=fd00::/129",
      "allowed_ip=", "allowed_ip=-", "allowed_ip=--10.0.0.1/32", "allowed_ip=+10.0.0.1/32",
      "allowed_ip=10.0.0/24", "allowed_ip=10.0.0.1/", "allowed_ip=10.0.0.1/-1",
      "protocol_version=2", "protocol_version=", "private_key=" + a, "listen_port=1", "fwmark=0",
      "replace_peers=true", "rx_bytes=0", "x=y");
  INFO(line);
  CHECK(peer_error(line) == -EINVAL);
}

TEST_CASE("a line that is none is EPROTO") {
  CHECK(error_of("nonsense\n") == -EPROTO);
  CHECK(peer_error("remove") == -EPROTO);
  UapiRequest request;
  CHECK(request.take(""));
  CHECK(request.error() == -EPROTO);
}

TEST_CASE("an operation that there is not is EINVAL") {
  for (const std::string_view text :
       {"get=2\n\n", "set=2\n\n", "put=1\n\n", "get=\n\n", "get=1\nset=1\n\n"}) {
    UapiRequest request;
    CHECK(take(request, text));
    CHECK(request.error() == -EINVAL);
  }
}

TEST_CASE("after an error the rest is skipped up to the blank line and the first error counts") {
  UapiRequest request;
  CHECK_FALSE(request.take("set=1"));
  CHECK_FALSE(request.take("nonsense"));
  CHECK_FALSE(request.take("unknown=1"));
  CHECK(request.take(""));
  CHECK(request.error() == -EPROTO);
}

TEST_CASE("a reason names the line and the key, never a value, and is printable") {
  UapiRequest request;
  take(request, "set=1\nprivate_key=secret\n\n");
  CHECK(request.reason() == "line 2: private_key: expected 64 hexadecimal digits");
  UapiRequest strange;
  take(strange, "set=1\n\x1b[31m" + std::string(100, 'k') + "=1\n\n");
  CHECK(strange.reason() == "line 2: ?[31m" + std::string(35, 'k') + ": no such key of a device");
}

TEST_CASE("a line and a request have a greatest size") {
  UapiRequest request;
  request.take("set=1");
  request.take("x=" + std::string(UapiRequest::max_line, 'x'));
  CHECK(request.error() == -EMSGSIZE);
  UapiRequest large;
  large.take("set=1");
  large.take("public_key=" + a);
  const std::string line = "allowed_ip=10.0.0.1/32";
  std::size_t taken = 0;
  for (; large.error() == 0 && taken < UapiRequest::max_bytes; taken += line.size() + 1)
    large.take(line);
  CHECK(large.error() == -EMSGSIZE);
  CHECK(taken > UapiRequest::max_bytes - 200);
}

TEST_CASE("a get names everything that wg reads, and ends with errno=0") {
  FakeServer server;
  server.fwmark_ = 51;
  Peer& phone = server.add("phone", std::byte{0xb8});
  phone.entry.allowed_ips = {*base::Prefix::parse("10.8.0.2/32"),
                             *base::Prefix::parse("fd08::2/128")};
  phone.entry.persistent_keepalive = std::chrono::seconds(25);
  phone.entry.preshared_key.mutable_bytes()[31] = std::byte{0x0f};
  phone.endpoint = base::Endpoint::parse("[2001:db8::7]:4000");
  server.counters_[0].last_handshake.set(1'700'000'000'000'000'123);
  server.counters_[0].tx_bytes.set(38333);
  server.counters_[0].rx_bytes.set(18446744073709551615u);
  server.add("silent", std::byte{0x01});
  const WipedText text = print_uapi(server);
  std::string b8, ones, forty_eight;
  for (int i = 0; i < 32; ++i) b8 += "b8", ones += "01", forty_eight += "48";
  CHECK(view(text) == "private_key=" + forty_eight + "\nlisten_port=51820\nfwmark=51\npublic_key=" +
                          b8 + "\npreshared_key=" + zeros.substr(2) +
                          "0f\nprotocol_version=1\n"
                          "endpoint=[2001:db8::7]:4000\nlast_handshake_time_sec=1700000000\n"
                          "last_handshake_time_nsec=123\ntx_bytes=38333\n"
                          "rx_bytes=18446744073709551615\npersistent_keepalive_interval=25\n"
                          "allowed_ip=10.8.0.2/32\nallowed_ip=fd08::2/128\npublic_key=" +
                          ones + "\npreshared_key=" + zeros +
                          "\nprotocol_version=1\n"
                          "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\n"
                          "rx_bytes=0\npersistent_keepalive_interval=0\nerrno=0\n\n");
}

TEST_CASE("what a get says of a peer a set takes back") {
  FakeServer server;
  Peer& peer = server.add("phone", std::byte{0xb8});
  peer.entry.allowed_ips = {*base::Prefix::parse("10.8.0.2/32")};
  peer.endpoint = base::Endpoint::parse("192.0.2.1:4000");
  const WipedText text = print_uapi(server);
  UapiRequest request;
  request.take("set=1");
  std::string_view rest = view(text);
  while (!rest.empty()) {
    const auto newline = rest.find('\n');
    const auto line = rest.substr(0, newline);
    rest.remove_prefix(newline + 1);
    const bool read_only = line.starts_with("last_") || line.starts_with("tx_") ||
                           line.starts_with("rx_") || line.starts_with("errno");
    if (!read_only) request.take(line);
  }
  CHECK(request.error() == 0);
  const DeviceChange change = request.take_change(server.info_.public_key);
  REQUIRE(change.peers.size() == 1);
  CHECK(change.peers[0].public_key == peer.entry.public_key);
  CHECK(change.peers[0].endpoint == peer.endpoint);
}

TEST_CASE("a refused change is an errno that says what kind of refusal it was") {
  const auto of = [](int status, std::vector<FieldProblem> fields = {}) {
    return errno_of({status, "", "", std::move(fields)});
  };
  CHECK(of(409, {{"listen_port", "is in use"}}) == -EADDRINUSE);
  CHECK(of(409, {{"public_key", "another peer has it"}}) == -EEXIST);
  CHECK(of(409) == -EEXIST);
  CHECK(of(507) == -ENOSPC);
  CHECK(of(403) == -EPERM);
  CHECK(of(404) == -ENOENT);
  CHECK(of(413) == -EMSGSIZE);
  CHECK(of(503) == -EBUSY);
  CHECK(of(500) == -EIO);
  CHECK(of(422) == -EINVAL);
}
