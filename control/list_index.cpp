#include "control/list_index.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace culvert::control {
namespace {

using nlohmann::json;

constexpr int version = 1;

json to_json(const FileIdentity& identity) {
  return {identity.size, identity.inode, identity.changed};
}

FileIdentity read_identity(const json& value) {
  return {value.at(0).get<std::uint64_t>(), value.at(1).get<std::uint64_t>(),
          value.at(2).get<std::int64_t>()};
}

json to_json(const ListRecord& record) {
  return {{"from", record.from},
          {"etag", record.etag},
          {"last_modified", record.last_modified},
          {"source", to_json(record.source)},
          {"copy", to_json(record.copy)},
          {"digest", record.digest},
          {"bytes", record.bytes},
          {"report", control::to_json(record.report)},
          {"checked", record.checked.time_since_epoch().count()},
          {"changed", record.changed.time_since_epoch().count()},
          {"failures", record.failures},
          {"error", record.error}};
}

base::WallTime read_time(const json& value) {
  return base::WallTime(std::chrono::nanoseconds(value.get<std::int64_t>()));
}

ListRecord read_record(const json& value) {
  ListRecord record;
  value.at("from").get_to(record.from);
  value.at("etag").get_to(record.etag);
  value.at("last_modified").get_to(record.last_modified);
  record.source = read_identity(value.at("source"));
  record.copy = read_identity(value.at("copy"));
  value.at("digest").get_to(record.digest);
  value.at("bytes").get_to(record.bytes);
  record.report = read_report(value.at("report"));
  record.checked = read_time(value.at("checked"));
  record.changed = read_time(value.at("changed"));
  value.at("failures").get_to(record.failures);
  value.at("error").get_to(record.error);
  return record;
}

CompiledRecord read_compiled(const json& value) {
  CompiledRecord compiled;
  value.at("made_of").get_to(compiled.made_of);
  value.at("generation").get_to(compiled.generation);
  value.at("rules").get_to(compiled.rules);
  value.at("bytes").get_to(compiled.bytes);
  return compiled;
}

}  // namespace

json to_json(const dns::ListReport& report) {
  return {{"format", int(report.format)},
          {"lines", report.lines},
          {"rules", report.rules},
          {"faults", report.faults},
          {"first", report.first}};
}

namespace {

// What a version with fewer reasons wrote has fewer numbers.
template <class Number, std::size_t Size>
void read_counts(const json& value, std::array<Number, Size>& out) {
  const auto numbers = value.get<std::vector<Number>>();
  std::copy_n(numbers.begin(), std::min(numbers.size(), Size), out.begin());
}

}  // namespace

dns::ListReport read_report(const json& value) {
  dns::ListReport report;
  report.format = dns::ListSettings::Format(std::clamp(value.at("format").get<int>(), 0, 0xff));
  value.at("lines").get_to(report.lines);
  value.at("rules").get_to(report.rules);
  read_counts(value.at("faults"), report.faults);
  read_counts(value.at("first"), report.first);
  return report;
}

std::string write_index(const ListIndex& index) {
  json lists = json::object();
  for (const auto& [name, record] : index.lists) lists[name] = to_json(record);
  const json whole{{"version", version},
                   {"lists", std::move(lists)},
                   {"compiled",
                    {{"made_of", index.compiled.made_of},
                     {"generation", index.compiled.generation},
                     {"rules", index.compiled.rules},
                     {"bytes", index.compiled.bytes}}}};
  return whole.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

ListIndex read_index(const std::string& text) {
  ListIndex index;
  const json whole = json::parse(text, nullptr, false);
  if (!whole.is_object() || whole.value("version", json()) != version) return index;
  const json lists = whole.value("lists", json::object());
  if (lists.is_object())
    for (const auto& [name, value] : lists.items()) try {
        index.lists.emplace(name, read_record(value));
      } catch (const json::exception&) {
        continue;
      }
  try {
    index.compiled = read_compiled(whole.at("compiled"));
  } catch (const json::exception&) {
    index.compiled = {};
  }
  return index;
}

}  // namespace culvert::control
