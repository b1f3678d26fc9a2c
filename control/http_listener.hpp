// HttpListener: a listening socket at its place in the file system or the network, and the
// connections that come to it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "control/http.hpp"

namespace culvert::control {

class HttpListener {
 public:
  // A connected socket, non-blocking; whose it is now.
  using Accept = std::function<void(int descriptor, const base::IpAddress& from)>;

  explicit HttpListener(boost::asio::io_context& io);
  ~HttpListener();

  // See HttpServer. Throw std::runtime_error.
  void open_local(const std::string& path);
  void open_tcp(const std::string& host_port);
  void start(Accept accept);
  void close();  // a Unix socket's name goes, if it is still ours

  const std::string& address() const noexcept { return address_; }

 private:
  void wait();
  void accept_all();
  void remove_name() noexcept;
  // For `act` to run later, unless this is closed by then.
  template <class Act>
  auto while_open(Act act);

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer pause_;
  Accept accept_;
  std::string address_, path_;
  std::shared_ptr<bool> open_;  // what a handler that is on its way already looks at
  dev_t device_ = 0;            // of the name in the file system that is ours
  ino_t inode_ = 0;
};

// May the process at the other end of a Unix socket use it: the same user as ours, or root?
bool is_own_user(int descriptor) noexcept;

}  // namespace culvert::control
