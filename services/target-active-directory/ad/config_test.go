package ad_test

import "fmt"

// reachable are settings without a mistake, but for what is added to them.
const reachable = "ldap: {urls: ['ldaps://dc1.skola.test'], user: ess@skola.test, password: 'file:/x'}\nbaseOU: 'OU=Skolor,DC=skola,DC=test'\n"

const accounts = "pupils: {upnSuffix: elev.skola.test}\nstaff: {upnSuffix: skola.test}\n"

func with(more string) string { return reachable + accounts + more }

var refusedSettings = map[string]string{
	"{}":      "ldap.urls",
	reachable: "pupils.upnSuffix",
	"ldap: {urls: ['ldap://dc1.skola.test'], user: ess@skola.test, password: 'file:/x'}": "ldap.urls[0]",
	with("rate: -1"): "rate",
	fmt.Sprint("ldap: {urls: ['ldaps://x']}\nbaseOU: Skolor\n", accounts):                    "baseOU",
	fmt.Sprint("ldap: {urls: ['ldaps://x']}\nbaseOU: 'DC=skola,DC=test'\n", accounts):        "baseOU",
	with("quarantineOU: 'ou=skolor,dc=SKOLA,dc=test'"):                                       "quarantineOU",
	with("ous: {school: Skola}"):                                                             "ous.school",
	with("ous: {school: '{unti}'}"):                                                          "ous.school",
	with("ous: {pupils: X, staff: x}"):                                                       "ous.staff",
	with("makeOUs: true\nous: {school: ''}"):                                                 "makeOUs",
	with("accounts: two"):                                                                    "accounts",
	with("cn: '{displayName}'"):                                                              "cn",
	with("cn: 'Konto för en elev vid någon av kommunens skolor: {familyName} ({username})'"): "cn",
	with("idAttribute: mail"):                                                                "idAttribute",
	with("attributes: {memberOf: {value: x}}"):                                               "attributes.memberOf",
	with("attributes: {title: {value: '{duti}'}}"):                                           "attributes.title.value",
	with("attributes: {title: {value: '{duty}', policy: always}}"):                           "attributes.title.policy",
	with("groups: [{for: klass, name: x}]"):                                                  "groups[0].for",
	with("groups: [{for: class, name: '{unit}'}]"):                                           "groups[0].name",
	with("groups: [{for: staff, name: '{unit}', scope: everywhere}]"):                        "groups[0].scope",
	with("groups: [{for: staff, name: '{unit}'}, {for: staff, name: '{unit}'}]"):             "groups[1].for",
	with("members: some"):                                                                    "members",
	with("matchBy: [displayName]"):                                                           "matchBy[0]",
	with("matchBy: [employeeID]"):                                                            "matchBy[0]",
	reachable + "pupils: {upnSuffix: '@elev.skola.test'}\nstaff: {upnSuffix: skola.test, mail: '{username}'}\n": "staff.mail",
}
