// What holds the secrets of the control plane wipes its copy in a child process that need not know
// them: a worker could use the API's token itself, it can reach the host's loopback.
#pragma once

#include <string>

namespace culvert::control {

struct AdmissionSettings;
struct Settings;
struct WebhookSettings;

void forget_secret(std::string& secret) noexcept;  // empty afterwards
void forget_secrets(WebhookSettings& settings) noexcept;
void forget_secrets(AdmissionSettings& settings) noexcept;
void forget_secrets(Settings& settings) noexcept;

}  // namespace culvert::control
