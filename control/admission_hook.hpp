// The hooks that Admission asks.
//
// A command gets CULVERT_PEER, CULVERT_PUBLIC_KEY, CULVERT_ENDPOINT and CULVERT_GROUP in its
// environment; exit code 0 admits, 1 refuses, anything else is no verdict. An HTTP hook is posted
// {"peer", "public_key", "endpoint", "group"}, signed as a webhook if there is a secret; 200 and
// 204 admit, 403 refuses, anything else is no verdict.
//
// Either may answer (on standard output, as the body) with a JSON object
//   {"admit": bool, "ttl": seconds, "reason": text}
// all of it optional. "admit": false turns an admission into a refusal, never the reverse. An
// object that is malformed is no verdict; text that does not begin with "{" says nothing.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "control/admission.hpp"
#include "control/webhooks.hpp"

namespace culvert::control {

// Of settings whose kind is not `off`. `world` is used by an HTTP hook only.
Admission::Ask make_admission_hook(boost::asio::any_io_executor executor,
                                   std::shared_ptr<const AdmissionSettings> settings,
                                   HookWorld world);

}  // namespace culvert::control
