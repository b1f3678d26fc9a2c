// The text protocol of wg(8) with userspace WireGuard (wireguard.com/xplatform): a request is
// "get=1" or "set=1", lines KEY=VALUE, and a blank line. Pure: lines in, a change or an errno out,
// the server's state in, text out. UapiServer calls it.
//
// The errno of a reply is negative, as wg(8) expects it of a set: -EPROTO for a line that is none,
// -EINVAL for an unknown key, a value that is wrong or a key where it does not belong, -EOPNOTSUPP
// for what a running culvert cannot do.
#pragma once

#include <string>
#include <string_view>

#include "control/outcome.hpp"
#include "control/server.hpp"
#include "control/wiped_text.hpp"

namespace culvert::control {

class UapiRequest {
 public:
  static constexpr std::size_t max_line = 1024;
  static constexpr std::size_t max_bytes = 16 << 20;  // 10,000 peers with 40 prefixes each

  // One line without its newline. True if it was the blank line that ends the request. After a
  // wrong line the rest is only skipped, so that the next request begins where it should.
  bool take(std::string_view line);

  bool is_set() const noexcept { return operation_ == Operation::set; }
  int error() const noexcept { return error_; }                   // 0 or a negative errno
  const std::string& reason() const noexcept { return reason_; }  // for the log, without values

  // Of a set that is whole and right. `own` is the server's key: a peer with the key that the
  // server has, or is getting, is ignored.
  DeviceChange take_change(const wg::PublicKey& own);

 private:
  enum class Operation : std::uint8_t { none, get, set };

  void refuse(int error, std::string_view key, std::string_view reason);
  void take_operation(std::string_view key, std::string_view value);
  void take_device_key(std::string_view key, std::string_view value);
  void take_peer_key(PeerChange& peer, std::string_view key, std::string_view value);
  void take_public_key(std::string_view value);
  void take_private_key(std::string_view value);
  void take_allowed_ip(PeerChange& peer, std::string_view value);
  void take_flag(bool& flag, std::string_view key, std::string_view value);

  Operation operation_ = Operation::none;
  int error_ = 0;
  std::size_t lines_ = 0, bytes_ = 0;
  std::string reason_;
  DeviceChange change_;
};

// What a get answers, with its errno=0.
WipedText print_uapi(const Server& server);

// "errno=-22\n\n"
std::string uapi_status(int error);

// The negative errno that says to wg(8) what a Problem says to a client of the API.
int errno_of(const Problem& problem) noexcept;

}  // namespace culvert::control
