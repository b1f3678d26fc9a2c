// OutgoingHttp: requests to HTTP and HTTPS servers: certificate and host name are checked, the
// answer is bounded, and all of it is over at the timeout. post() is one POST and its answer, and
// follows no redirect; download() is a GET to a file.
//
// It looks names up in threads of its own, because getaddrinfo(3) cannot be asked to wait
// elsewhere; so it lives in HttpProcess's child and never in the supervisor, which forks.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace culvert::control {

struct HttpRequest {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  // besides Host, Content-Type: JSON
  std::string body;
  std::string ca_file;  // PEM; "" = the system's
  std::chrono::milliseconds timeout{10'000};
};

struct HttpReply {
  int status = 0;  // 0 = none: see `error`
  std::string body;
  std::string error;  // in words: "connect to 192.0.2.1:443: Connection refused"

  bool success() const noexcept { return status >= 200 && status < 300; }
};

struct DownloadRequest {
  std::string url;
  std::string file;                 // made anew, for the owner alone; what is there is replaced
  std::string etag, last_modified;  // of what is known already; "" = nothing
  std::string ca_file;              // PEM; "" = the system's
  std::uint64_t max_size = 0;       // bytes, unpacked
  std::chrono::milliseconds timeout{300'000};
};

struct DownloadReply {
  int status = 0;  // 200: the file is there; 304: what is known is still so; 0: see `error`
  std::string etag, last_modified;  // the server's words
  std::uint64_t bytes = 0;          // unpacked
  std::string error;
};

class OutgoingHttp {
 public:
  static constexpr std::size_t max_body = 64 * 1024;

  explicit OutgoingHttp(boost::asio::any_io_executor executor);
  ~OutgoingHttp();  // waits for look-ups under way
  OutgoingHttp(const OutgoingHttp&) = delete;
  OutgoingHttp& operator=(const OutgoingHttp&) = delete;

  // Never throws. The object outlives it.
  boost::asio::awaitable<HttpReply> post(HttpRequest request);
  // Never throws; the same. If it fails there is no file.
  boost::asio::awaitable<DownloadReply> download(DownloadRequest request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace culvert::control
