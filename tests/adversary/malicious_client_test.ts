// Clients that have keys and a password like everybody, and bad intentions. One server stands all of it:
// starting one for each file would take longer than the attacks.

import "./malicious_client/logins.ts";
import "./malicious_client/requests.ts";
import "./malicious_client/uploads.ts";
import "./malicious_client/partials.ts";
import "./malicious_client/frames.ts";
import "./malicious_client/floods.ts";
