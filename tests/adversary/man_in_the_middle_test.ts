// Somebody on the way between the clients and the server. One server stands all of it: starting one for
// each file would take longer than the attacks.

import "./man_in_the_middle/changes.ts";
import "./man_in_the_middle/records.ts";
import "./man_in_the_middle/impostors.ts";
