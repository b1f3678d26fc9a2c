#include "control/state_dump.hpp"

#include <fmt/format.h>

#include <istream>
#include <nlohmann/json.hpp>

namespace culvert::control {
namespace {

using Json = nlohmann::ordered_json;

constexpr int format_version = 1;
constexpr std::size_t longest_line = 1 << 20, most_problems = 100;
constexpr std::array<std::string_view, 3> span_names{"minute", "hour", "day"};

Json of_subject(const char* type, const Subject& subject) {
  return {{"type", type},
          {"kind", subject.kind == Subject::Kind::peer ? "peer" : "group"},
          {"key", subject.key},
          {"name", subject.name},
          {"group", subject.group}};
}

void put(Json& line, const Usage& usage) {
  for (const UsageField& field : usage_fields) line[std::string(field.name)] = usage.*field.value;
}

Json to_json(const StoredPeer& peer) {
  return {{"type", "peer"},
          {"public_key", peer.public_key.to_string()},
          {"name", peer.name},
          {"definition", peer.definition}};
}
Json to_json(const TotalRow& row) {
  Json line = of_subject("total", row.subject);
  put(line, row.usage);
  return line;
}
Json to_json(const QuotaRow& row) {
  Json line = of_subject("quota", row.subject);
  line["period"] = row.period;
  line["used"] = row.used;
  return line;
}
Json to_json(const HistoryRow& row) {
  Json line = of_subject("usage", row.subject);
  line["span"] = span_names.at(static_cast<std::size_t>(row.span));
  line["start"] = row.start;
  put(line, row.usage);
  return line;
}
Json to_json(const DestinationRow& row) {
  Json line = of_subject("destination", row.subject);
  line["day"] = row.day;
  line["destination"] = row.destination;
  put(line, row.usage);
  return line;
}

// Takes the fields of a line one by one; what is wrong or left over is named.
class Fields {
 public:
  explicit Fields(Json line) : line_(std::move(line)) {}

  std::string text(const char* name) {
    const Json value = take(name, "text");
    if (value.is_string()) return value.get<std::string>();
    wrong(name, "expected text");
    return "";
  }
  std::uint64_t count(const char* name) {
    const Json value = take(name, "a whole number");
    if (value.is_number_unsigned() && value.get<std::uint64_t>() <= INT64_MAX)
      return value.get<std::uint64_t>();
    wrong(name, "expected a whole number from 0 to 2^63 - 1");
    return 0;
  }
  Seconds time(const char* name) {
    const Json value = take(name, "seconds since 1970");
    if (value.is_number_integer()) return value.get<Seconds>();
    wrong(name, "expected seconds since 1970, a whole number");
    return 0;
  }
  void wrong(const char* name, std::string detail) {
    for (const FieldProblem& known : problem_.fields)
      if (known.field == name) return;
    problem_.fields.push_back({name, std::move(detail)});
  }
  bool done() {
    for (const auto& [name, value] : line_.items()) wrong(name.substr(0, 60).c_str(), "unknown");
    return problem_.fields.empty();
  }
  const Problem& problem() const { return problem_; }

 private:
  Json take(const char* name, const char* expected) {
    const auto found = line_.find(name);
    if (found == line_.end()) {
      wrong(name, fmt::format("is missing, expected {}", expected));
      return nullptr;
    }
    Json value = std::move(*found);
    line_.erase(name);
    return value;
  }

  Json line_;
  Problem problem_{422, "Not a row of a state export", "", {}};
};

Subject subject_from(Fields& fields) {
  Subject subject;
  const std::string kind = fields.text("kind");
  if (kind != "peer" && kind != "group") fields.wrong("kind", "expected \"peer\" or \"group\"");
  subject.kind = kind == "group" ? Subject::Kind::group : Subject::Kind::peer;
  subject.key = fields.text("key");
  subject.name = fields.text("name");
  subject.group = fields.text("group");
  if (kind == "peer" && !wg::PublicKey::parse(subject.key))
    fields.wrong("key", "expected a public key, 44 characters of base64");
  return subject;
}

Usage usage_from(Fields& fields) {
  Usage usage;
  for (const UsageField& field : usage_fields)
    usage.*field.value = fields.count(std::string(field.name).c_str());
  return usage;
}

StateRecord peer_from(Fields& fields) {
  StoredPeer peer;
  const auto key = wg::PublicKey::parse(fields.text("public_key"));
  if (!key) fields.wrong("public_key", "expected 44 characters of base64");
  peer.public_key = key.value_or(wg::PublicKey{});
  peer.name = fields.text("name");
  peer.definition = fields.text("definition");
  if (!Json::accept(peer.definition)) fields.wrong("definition", "expected JSON in a text");
  return peer;
}

StateRecord history_from(Fields& fields) {
  HistoryRow row;
  row.subject = subject_from(fields);
  const std::string span = fields.text("span");
  const auto found = std::ranges::find(span_names, span);
  if (found == span_names.end())
    fields.wrong("span", "expected \"minute\", \"hour\" or \"day\"");
  else
    row.span = static_cast<Span>(found - span_names.begin());
  row.start = fields.time("start");
  row.usage = usage_from(fields);
  return row;
}

StateRecord record_from(Fields& fields) {
  const std::string type = fields.text("type");
  if (type == "peer") return peer_from(fields);
  if (type == "total") {
    const Subject subject = subject_from(fields);
    return TotalRow{subject, usage_from(fields)};
  }
  if (type == "quota") {
    const Subject subject = subject_from(fields);
    const Seconds period = fields.time("period");
    return QuotaRow{subject, period, fields.count("used")};
  }
  if (type == "usage") return history_from(fields);
  if (type == "destination") {
    const Subject subject = subject_from(fields);
    const Seconds day = fields.time("day");
    const std::string destination = fields.text("destination");
    return DestinationRow{subject, day, destination, usage_from(fields)};
  }
  fields.wrong("type", "expected peer, total, quota, usage or destination");
  return StoredPeer{};
}

std::optional<std::string> wrong_header(const std::string& line) {
  const Json header = Json::parse(line, nullptr, false);
  if (!header.is_object() || !header.contains("culvert_state"))
    return "expected the header of a state export, {\"culvert_state\":1}";
  if (header["culvert_state"] != format_version)
    return fmt::format("format {}, this culvert reads {}",
                       header["culvert_state"].dump().substr(0, 20), format_version);
  return std::nullopt;
}

Problem check_lines(std::istream& in) {
  Problem problem{422, "State export is not imported", "", {}};
  std::string line;
  std::size_t number = 0, wrong = 0;
  const auto add = [&](const std::string& detail) {
    if (++wrong <= most_problems)
      problem.fields.push_back({fmt::format("line {}", number), detail});
  };
  while (std::getline(in, line)) {
    ++number;
    if (number == 1) {
      if (const auto bad = wrong_header(line)) add(*bad);
      continue;
    }
    if (line.empty()) continue;
    if (const auto record = parse_dump_line(line); !record) add(record.problem().to_line());
  }
  if (number == 0) add("it is empty, expected the header of a state export");
  if (wrong > most_problems) problem.detail = fmt::format("{} lines are wrong", wrong);
  return problem;
}

}  // namespace

std::string dump_header() {
  return Json{{"culvert_state", format_version}}.dump();
}

std::string dump_line(const StateRecord& record) {
  const Json line = std::visit([](const auto& row) { return to_json(row); }, record);
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Outcome<StateRecord> parse_dump_line(std::string_view line) {
  Problem problem{422, "Not a row of a state export", "", {}};
  if (line.size() > longest_line) {
    problem.detail = fmt::format("{} bytes, expected at most {}", line.size(), longest_line);
    return problem;
  }
  Json parsed = Json::parse(line, nullptr, false);
  if (!parsed.is_object()) {
    problem.detail = "expected a JSON object";
    return problem;
  }
  Fields fields(std::move(parsed));
  StateRecord record = record_from(fields);
  if (!fields.done()) return fields.problem();
  return record;
}

Outcome<> export_state(StateStore& store, const std::function<void(const std::string&)>& write) {
  write(dump_header());
  return store.each_record([&](const StateRecord& record) { write(dump_line(record)); });
}

Outcome<ImportReport> import_state(StateStore& store, std::istream& in) {
  if (Problem problem = check_lines(in); !problem.fields.empty()) return problem;
  ImportReport report;
  const auto rewind = [&] {
    std::string header;
    in.clear();
    in.seekg(0);
    std::getline(in, header);
    report = {};
  };
  rewind();
  const auto next = [&]() -> std::optional<StateRecord> {
    std::string line;
    while (std::getline(in, line)) {
      if (line.empty()) continue;
      Outcome<StateRecord> record = parse_dump_line(line);
      if (!record) throw std::runtime_error("the file changed while it was read");
      ++(std::holds_alternative<StoredPeer>(*record) ? report.peers : report.rows);
      return std::move(*record);
    }
    return std::nullopt;
  };
  const Outcome<> done = store.put_records(next);
  if (!done) return done.problem();
  return report;
}

}  // namespace culvert::control
