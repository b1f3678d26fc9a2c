#include "control/list_verdict.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::control {
namespace {

using dns::LineFault;

// Lines that are of no list of this kind: a page of a hotel's network, a format mistaken.
constexpr LineFault strange_faults[] = {LineFault::not_understood, LineFault::bad_name,
                                        LineFault::too_long};

}  // namespace

std::string describe_faults(const dns::ListReport& report) {
  std::string text;
  for (std::size_t i = 0; i < report.faults.size(); ++i)
    if (report.faults[i] > 0)
      text += fmt::format("{}{} {} (first: line {})", text.empty() ? "" : ", ", report.faults[i],
                          to_string(LineFault(i)), report.first[i]);
  return text;
}

std::string refuse_list(const dns::ListReport& arrived, std::optional<std::uint64_t> before,
                        bool fetched) {
  std::uint64_t strange = 0;
  for (const LineFault fault : strange_faults) strange += arrived.faults[std::size_t(fault)];
  if (strange > 0 && strange > 9 * arrived.rules)
    return fmt::format("this is no list: of {} lines {} are rules; {}", arrived.lines,
                       arrived.rules, describe_faults(arrived));
  const bool guarded = before && (fetched || *before >= guarded_file);
  if (guarded && arrived.rules < *before - *before / 2)
    return fmt::format("it shrank from {} rules to {}: refused unless forced", *before,
                       arrived.rules);
  return {};
}

}  // namespace culvert::control
