#include "control/forget_secrets.hpp"

#include <span>

#include "base/secret.hpp"
#include "control/settings.hpp"

namespace culvert::control {

void forget_secret(std::string& secret) noexcept {
  base::wipe(std::as_writable_bytes(std::span(secret)));
  secret.clear();
}

void forget_secrets(WebhookSettings& settings) noexcept {
  forget_secret(settings.secret);
}

void forget_secrets(AdmissionSettings& settings) noexcept {
  forget_secret(settings.secret);
}

void forget_secrets(Settings& settings) noexcept {
  forget_secret(settings.token);
  forget_secret(settings.accounting.database);  // it may have a password
  for (WebhookSettings& each : settings.webhooks) forget_secrets(each);
  forget_secrets(settings.admission);
}

}  // namespace culvert::control
