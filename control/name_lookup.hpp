// NameLookup: getaddrinfo(3) without waiting for it. A thread a look-up, at most 64: a slow name
// server delays nobody else. For OutgoingHttp alone; never in a process that forks.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/ip.hpp"

namespace culvert::control {

class NameLookup {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t max_threads = 64;

  struct Result {
    std::vector<base::IpAddress> addresses;
    std::string error;  // in words if there is none
  };

  ~NameLookup();

  // An address as text is itself.
  boost::asio::awaitable<Result> find(std::string host, Clock::time_point until);

 private:
  struct Lookup;
  struct Running {
    std::shared_ptr<Lookup> lookup;
    std::thread thread;
  };
  void collect();

  std::list<Running> running_;
};

}  // namespace culvert::control
