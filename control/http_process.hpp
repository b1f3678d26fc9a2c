// HttpProcess: the supervisor's way to HTTP servers outside: a child process that looks names up,
// speaks TLS and HTTP, and answers. It is started at the first request and again after it ended.
//
// Why a process: name look-ups need threads, and the supervisor forks workers, so it may have none;
// loading certificates and a slow file of names would stall it; and answers from outside, the one
// hostile input that is no packet, are parsed where there are no keys and no sockets of the tunnel.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "control/outgoing_http.hpp"

namespace culvert::control {

class HttpProcess {
 public:
  using Done = std::function<void(HttpReply)>;
  using DownloadDone = std::function<void(DownloadReply)>;

  // `in_child` runs first in the child: it wipes what the supervisor knows and the child need not.
  explicit HttpProcess(boost::asio::any_io_executor executor, std::function<void()> in_child = {});
  ~HttpProcess();  // ends the child and waits for it; what is not answered is never answered
  HttpProcess(const HttpProcess&) = delete;
  HttpProcess& operator=(const HttpProcess&) = delete;

  // `done` is called once, later, at the latest two seconds after the request's timeout.
  void post(HttpRequest request, Done done);
  void download(DownloadRequest request, DownloadDone done);  // the same
  int pid() const noexcept;                                   // 0 = not running

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace culvert::control
