#include "control/outcome.hpp"

namespace culvert::control {

std::string Problem::to_line() const {
  std::string line = title;
  if (!detail.empty()) line += ": " + detail;
  for (const FieldProblem& each : fields) {
    line += "; ";
    if (!each.field.empty()) line += each.field + ": ";
    line += each.detail;
  }
  return line;
}

}  // namespace culvert::control
