#include "app/answers.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace culvert::app {

using boost::asio::redirect_error;
using boost::asio::steady_timer;
using boost::asio::use_awaitable;
using boost::system::error_code;

Workers::OnAnswer Answers::expect() {
  ++open_;
  return [self = shared_from_this()](Workers::Answer answer) {
    if (self->error_.empty()) self->error_ = std::move(answer.error);
    auto& flows = self->flows_;
    flows.insert(flows.end(), answer.flows.begin(), answer.flows.end());
    if (--self->open_ == 0) self->timer_.cancel();
  };
}

boost::asio::awaitable<std::string> Answers::wait() {
  const auto self = shared_from_this();
  if (open_ > 0) {
    error_code error;
    timer_.expires_after(patience);
    co_await timer_.async_wait(redirect_error(use_awaitable, error));
  }
  if (open_ > 0 && error_.empty()) error_ = "a worker does not answer";
  co_return error_;
}

// A class, and made outside the coroutine: g++ 12 destroys a lambda in co_return twice.
Turns::Turn::~Turn() {
  state_->taken = false;
  if (state_->waiting.empty()) return;
  state_->waiting.front()->cancel();
  state_->waiting.pop_front();
}

boost::asio::awaitable<Turns::Token> Turns::take() {
  const std::shared_ptr<State> state = state_;
  while (state->taken) {
    const auto called = std::make_shared<steady_timer>(io_, steady_timer::time_point::max());
    state->waiting.push_back(called);
    error_code error;
    co_await called->async_wait(redirect_error(use_awaitable, error));
  }
  state->taken = true;
  Token token = std::make_shared<Turn>(state);
  co_return token;
}

}  // namespace culvert::app
