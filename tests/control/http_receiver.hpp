// HttpReceiver: an HTTP or HTTPS server on 127.0.0.1 for tests of what posts: it keeps the requests
// and answers with a text of the test's choice.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace culvert::control {

class HttpReceiver {
 public:
  // What is sent back, byte by byte as it is; nothing = the connection stays silent.
  using Answer = std::function<std::string(const std::string& request)>;

  HttpReceiver(boost::asio::io_context& io, Answer answer);
  ~HttpReceiver();
  HttpReceiver(const HttpReceiver&) = delete;
  HttpReceiver& operator=(const HttpReceiver&) = delete;

  // Makes it an HTTPS server with a new certificate for `name` ("DNS:localhost"), written to
  // `certificate` in PEM.
  void secure(const std::string& name, const std::filesystem::path& certificate);

  std::string url(const std::string& host = "127.0.0.1") const;
  const std::vector<std::string>& requests() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

std::string http_answer(int status, const std::string& body = {});

}  // namespace culvert::control
