#include "dns/safe_search_table.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "dns/name_table.hpp"

namespace culvert::dns {
namespace {

// Names as the services publish them for the owners of networks.
enum Target : std::uint8_t {
  google,
  bing,
  duckduckgo,
  youtube,
  yandex,
  pixabay,
  ecosia,
  brave,
  qwant
};
constexpr std::array<std::string_view, 9> targets{"forcesafesearch.google.com",
                                                  "strict.bing.com",
                                                  "safe.duckduckgo.com",
                                                  "restrict.youtube.com",
                                                  "familysearch.yandex.ru",
                                                  "safesearch.pixabay.com",
                                                  "strict-safe-search.ecosia.org",
                                                  "forcesafe.search.brave.com",
                                                  "safeapi.qwant.com"};

// The search itself is at google.TLD and www.google.TLD.
constexpr std::string_view google_tlds[] = {
    "ad",     "ae",     "al",     "am",     "as",     "at",     "az",     "ba",     "be",
    "bf",     "bg",     "bi",     "bj",     "bs",     "bt",     "by",     "ca",     "cat",
    "cd",     "cf",     "cg",     "ch",     "ci",     "cl",     "cm",     "cn",     "co",
    "co.ao",  "co.bw",  "co.ck",  "co.cr",  "co.id",  "co.il",  "co.in",  "co.jp",  "co.ke",
    "co.kr",  "co.ls",  "co.ma",  "co.mz",  "co.nz",  "co.th",  "co.tz",  "co.ug",  "co.uk",
    "co.uz",  "co.ve",  "co.vi",  "co.za",  "co.zm",  "co.zw",  "com",    "com.af", "com.ag",
    "com.ai", "com.ar", "com.au", "com.bd", "com.bh", "com.bn", "com.bo", "com.br", "com.by",
    "com.bz", "com.co", "com.cu", "com.cy", "com.do", "com.ec", "com.eg", "com.et", "com.fj",
    "com.gh", "com.gi", "com.gt", "com.hk", "com.jm", "com.kh", "com.kw", "com.lb", "com.ly",
    "com.mm", "com.mt", "com.mx", "com.my", "com.na", "com.nf", "com.ng", "com.ni", "com.np",
    "com.om", "com.pa", "com.pe", "com.pg", "com.ph", "com.pk", "com.pr", "com.py", "com.qa",
    "com.sa", "com.sb", "com.sg", "com.sl", "com.sv", "com.tj", "com.tr", "com.tw", "com.ua",
    "com.uy", "com.vc", "com.vn", "cv",     "cz",     "de",     "dj",     "dk",     "dm",
    "dz",     "ee",     "es",     "fi",     "fm",     "fr",     "ga",     "ge",     "gg",
    "gl",     "gm",     "gp",     "gr",     "gy",     "hn",     "hr",     "ht",     "hu",
    "ie",     "im",     "iq",     "is",     "it",     "je",     "jo",     "kg",     "ki",
    "kz",     "la",     "li",     "lk",     "lt",     "lu",     "lv",     "md",     "me",
    "mg",     "mk",     "ml",     "mn",     "ms",     "mu",     "mv",     "mw",     "ne",
    "nl",     "no",     "nr",     "nu",     "pl",     "pn",     "ps",     "pt",     "ro",
    "rs",     "ru",     "rw",     "sc",     "se",     "sh",     "si",     "sk",     "sm",
    "sn",     "so",     "sr",     "st",     "td",     "tg",     "tk",     "tl",     "tm",
    "tn",     "to",     "tt",     "us",     "vg",     "vu",     "ws"};

constexpr std::string_view yandex_tlds[] = {
    "az",  "by",  "co.il", "com", "com.am", "com.ge", "com.ru", "com.tr", "de",
    "ee",  "eu",  "fi",    "fr",  "kg",     "kz",     "lt",     "lv",     "md",
    "net", "org", "pl",    "ru",  "tj",     "tm",     "ua",     "uz"};

struct Row {
  std::string_view name;
  Target target;
};
constexpr Row rows[] = {
    {"bing.com", bing},
    {"www.bing.com", bing},
    {"edgeservices.bing.com", bing},
    {"duckduckgo.com", duckduckgo},
    {"www.duckduckgo.com", duckduckgo},
    {"start.duckduckgo.com", duckduckgo},
    {"noai.duckduckgo.com", duckduckgo},
    {"www.youtube.com", youtube},
    {"m.youtube.com", youtube},
    {"youtubei.googleapis.com", youtube},
    {"youtube.googleapis.com", youtube},
    {"www.youtube-nocookie.com", youtube},
    {"ya.ru", yandex},
    {"www.ya.ru", yandex},
    {"pixabay.com", pixabay},
    {"www.pixabay.com", pixabay},
    {"ecosia.org", ecosia},
    {"www.ecosia.org", ecosia},
    {"search.brave.com", brave},
    {"api.qwant.com", qwant},
};

struct Table {
  Table();

  std::vector<std::string> texts;
  std::vector<std::uint8_t> target_of;  // by place in `names`
  NameTable names;
  std::array<Name, targets.size()> targets_as_names;

 private:
  NameTable collect();
};

NameTable Table::collect() {
  const auto add = [this](std::string name, Target target) {
    texts.push_back(std::move(name));
    target_of.push_back(target);
  };
  for (const std::string_view tld : google_tlds) {
    add("google." + std::string(tld), google);
    add("www.google." + std::string(tld), google);
  }
  for (const std::string_view tld : yandex_tlds) {
    add("yandex." + std::string(tld), yandex);
    add("www.yandex." + std::string(tld), yandex);
  }
  for (const Row& row : rows) add(std::string(row.name), row.target);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return NameTable(views);
}

Table::Table() : names(collect()) {
  for (std::size_t i = 0; i < targets.size(); ++i) targets_as_names[i] = *Name::parse(targets[i]);
}

const Table table;  // when the program starts

}  // namespace

std::span<const std::string> safe_search_names() noexcept {
  return table.texts;
}

const Name* safe_search_target(const Name& name) noexcept {
  const int at = table.names.find(name.wire());
  return at < 0 ? nullptr : &table.targets_as_names[table.target_of[std::size_t(at)]];
}

}  // namespace culvert::dns
