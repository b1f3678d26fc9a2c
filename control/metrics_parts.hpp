// The parts of the page that metrics_text() puts together, one by subject.
#pragma once

#include "control/exposition.hpp"
#include "control/metrics.hpp"

namespace culvert::control {

void group_metrics(Exposition& out, Server& server, const Ledger& ledger);
void dns_metrics(Exposition& out, const Server& server);
void list_metrics(Exposition& out, const ListKeeper& keeper);
void worker_metrics(Exposition& out, const Server& server, base::Time now);

std::string_view to_string(base::Stop stop) noexcept;

}  // namespace culvert::control
