// UapiServer: the Unix socket DIRECTORY/INTERFACE.sock on which wg(8) shows and changes this
// server. Where it cannot be made, that is a warning and the server goes on without it.
//
// Only the server's own account and root may speak. At most 16 connections are served at once, the
// rest wait; one that has not sent its request, or taken its answer, within 10 s is closed.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "control/server.hpp"

namespace culvert::control {

class UapiServer {
 public:
  static constexpr std::size_t max_connections = 16;

  struct Options {
    std::filesystem::path directory;
    std::string interface;
    std::chrono::milliseconds patience{10'000};
  };

  // `server` outlives it. The loop of `executor` does all the work.
  UapiServer(boost::asio::any_io_executor executor, Server& server, Options options);
  ~UapiServer();  // closes everything and removes the socket
  UapiServer(const UapiServer&) = delete;
  UapiServer& operator=(const UapiServer&) = delete;

  bool listening() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace culvert::control
