// Answers: waits for what several workers were ordered. Orders go out one after another, and one
// wait is for all of them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/workers.hpp"

namespace culvert::app {

class Answers : public std::enable_shared_from_this<Answers> {
 public:
  // A worker turns many times a second; one that is silent for so long has hung.
  static constexpr std::chrono::seconds patience{30};

  static std::shared_ptr<Answers> make(boost::asio::io_context& io) {
    return std::shared_ptr<Answers>(new Answers(io));
  }
  // For one order.
  Workers::OnAnswer expect();
  // Until every order is answered. The first error; empty if there is none.
  boost::asio::awaitable<std::string> wait();
  std::vector<proxy::FlowRecord>& flows() noexcept { return flows_; }

 private:
  explicit Answers(boost::asio::io_context& io) : timer_(io) {}

  boost::asio::steady_timer timer_;
  std::size_t open_ = 0;
  std::string error_;
  std::vector<proxy::FlowRecord> flows_;
};

// Turns: changes are made one after another. Who has the token has the turn.
class Turns {
 public:
  explicit Turns(boost::asio::io_context& io) : io_(io), state_(std::make_shared<State>()) {}
  using Token = std::shared_ptr<void>;
  boost::asio::awaitable<Token> take();

 private:
  struct State {
    bool taken = false;
    std::deque<std::shared_ptr<boost::asio::steady_timer>> waiting;
  };
  class Turn {
   public:
    explicit Turn(std::shared_ptr<State> state) : state_(std::move(state)) {}
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    std::shared_ptr<State> state_;
  };
  boost::asio::io_context& io_;
  std::shared_ptr<State> state_;
};

}  // namespace culvert::app
