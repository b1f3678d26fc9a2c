// Outcome<T>: the value, or a Problem (RFC 9457) that says which field was wrong and what was
// expected. The control plane's requests end with one; a failed change leaves the old state.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace culvert::control {

struct FieldProblem {
  std::string field;   // a JSON pointer without its first slash: "allowed_ips/0", or "" = the whole
  std::string detail;  // what was found and what was expected
};

struct Problem {
  int status = 400;    // of HTTP
  std::string title;   // short and always the same for the kind of problem: "Peer not found"
  std::string detail;  // of this one
  std::vector<FieldProblem> fields;

  std::string to_line() const;  // for a log, a terminal
};

struct Nothing {};

template <class T = Nothing>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Outcome(Problem problem) : state_(std::in_place_index<1>, std::move(problem)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Problem& problem() const { return std::get<1>(state_); }

 private:
  std::variant<T, Problem> state_;
};

}  // namespace culvert::control
