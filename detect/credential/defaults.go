package credential

import "strings"

// defaultPairs are user and password as products are, or were, delivered, from
// their manuals and advisories. The user's case does not matter.
var defaultPairs = func() map[[2]string]string {
	m := map[[2]string]string{}
	for _, line := range strings.Split(strings.TrimSpace(defaultList), "\n") {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		for i := range 2 {
			if f[i] == "-" {
				f[i] = ""
			}
		}
		m[[2]string{f[0], f[1]}] = f[2]
	}
	return m
}()

// defaultList has a line for each pair: user, password (- for an empty one),
// product. Pairs of many products say so.
const defaultList = `
admin admin many products
admin password many products
admin - many products
admin 1234 many routers and cameras
admin 12345 Hikvision cameras
admin 123456 Dahua and other cameras
admin changeme Splunk
admin admin123 Sonatype Nexus
admin default many appliances
admin 0000 many devices
admin 9999 many cameras
administrator password many products
administrator administrator many products
administrator - Windows appliances
root root many products
root - many products
root toor Kali Linux
root password many products
root calvin Dell iDRAC
root admin many devices
root vizxv Dahua recorders
root xc3511 XiongMai recorders
root alpine iOS
tomcat tomcat Apache Tomcat
tomcat s3cret Apache Tomcat
both tomcat Apache Tomcat
role1 tomcat Apache Tomcat
weblogic welcome1 Oracle WebLogic
system manager Oracle Database
scott tiger Oracle Database
sys change_on_install Oracle Database
guest guest RabbitMQ
elastic changeme Elasticsearch
kibana changeme Kibana
minioadmin minioadmin MinIO
neo4j neo4j Neo4j
postgres postgres PostgreSQL
sa - Microsoft SQL Server
cassandra cassandra Apache Cassandra
airflow airflow Apache Airflow
karaf karaf Apache Karaf
zabbix zabbix Zabbix
nagiosadmin nagiosadmin Nagios
nagiosadmin nagios Nagios
pi raspberry Raspberry Pi OS
ubnt ubnt Ubiquiti
cisco cisco Cisco
cusadmin highspeed Hitron routers
support support many devices
user user many products
test test many products
demo demo many products
wasadmin wasadmin IBM WebSphere
admin geoserver GeoServer
artemis artemis Apache ActiveMQ Artemis
admin public EMQX
admin Harbor12345 Harbor
vagrant vagrant Vagrant
admin pfsense pfSense
root opnsense OPNsense
admin motorola Motorola modems
netscreen netscreen Juniper NetScreen
nsroot nsroot Citrix NetScaler
`

// defaultPair gives the product that a pair is the default of.
func defaultPair(user, password string) (which string, ok bool) {
	if len(user) > 32 || len(password) > 32 {
		return "", false
	}
	which, ok = defaultPairs[[2]string{strings.ToLower(strings.TrimSpace(user)), password}]
	return which, ok
}
