/interface bridge add comment="office: lan" name=office-lan vlan-filtering=yes
/interface vlan add comment="office: line" interface=ether1 name=office-line vlan-id=835
/interface vlan add comment="office: guests" interface=office-lan name=office-guests vlan-id=20
/interface pppoe-client add add-default-route=yes comment="office: line" disabled=no interface=office-line name=office-ppp password="m\"d\\p de la ligne" use-peer-dns=yes user="fti/abc\"d@fai"
/interface wireguard add comment="office: tunnel" listen-port=13231 mtu=1420 name=office-tunnel private-key="QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
/interface wireguard peers add allowed-address=10.99.0.1/32,10.98.0.0/24 comment="office: tunnel" endpoint-address=vpn.scop.example endpoint-port=51820 interface=office-tunnel name=office-tunnel persistent-keepalive=25s public-key="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
/interface wifi security add authentication-types=wpa3-psk comment="office: staff" management-protection=required name=office-staff passphrase="cle-du-personnel {{ 7*7 }}" wps=disable
/interface wifi security add authentication-types=wpa2-psk,wpa3-psk comment="office: guests" management-protection=allowed name=office-guests passphrase=cle-des-invites wps=disable
/interface wifi datapath add comment="office: staff" name=office-staff
/interface wifi datapath add client-isolation=yes comment="office: guests" name=office-guests
/interface wifi configuration add comment="office: staff" country=France datapath=office-staff mode=ap name=office-staff security=office-staff ssid="\C3\89picerie {{ 7*7 }} #1"
/interface wifi configuration add comment="office: guests" country=France datapath=office-guests mode=ap name=office-guests security=office-guests ssid="Invit\C3\A9s"
/interface wifi set [ find default-name=wifi1 ] configuration=office-staff disabled=no
/interface wifi add comment="office: wifi guests" configuration=office-guests disabled=no master-interface=wifi1 name=office-wifi-guests
/interface bridge port add bridge=office-lan comment="office: lan ether2" interface=ether2
/interface bridge port add bridge=office-lan comment="office: lan ether3" interface=ether3
/interface bridge port add bridge=office-lan comment="office: lan wifi1" interface=wifi1
/interface bridge port add bridge=office-lan comment="office: guests office-wifi-guests" frame-types=admit-only-untagged-and-priority-tagged interface=office-wifi-guests pvid=20
/interface bridge vlan add bridge=office-lan comment="office: guests" tagged=office-lan,ether2,ether3 vlan-ids=20
/ip pool add name=office-staff ranges=192.168.1.100-192.168.1.199
/ip pool add name=office-guests ranges=192.168.2.10-192.168.2.99
/ip address add address=192.168.1.1/24 comment="office: staff" interface=office-lan network=192.168.1.0
/ip address add address=192.168.2.1/24 comment="office: guests" interface=office-guests network=192.168.2.0
/ip address add address=10.99.0.7/24 comment="office: tunnel" interface=office-tunnel network=10.99.0.0
/ip dhcp-server add address-pool=office-staff comment="office: staff" interface=office-lan lease-time=12h name=office-staff
/ip dhcp-server add address-pool=office-guests comment="office: guests" interface=office-guests lease-time=12h name=office-guests
/ip dhcp-server network add address=192.168.1.0/24 comment="office: staff" dns-server=192.168.1.10 domain=epicerie.internal gateway=192.168.1.1 ntp-server=192.168.1.1
/ip dhcp-server network add address=192.168.2.0/24 comment="office: guests" dns-server=192.168.2.1 gateway=192.168.2.1 ntp-server=192.168.2.1
/ip dhcp-server lease add address=192.168.1.41 comment="office: camera" mac-address=02:00:5E:10:00:51 server=office-staff
/ip dhcp-server lease add address=192.168.1.20 comment="office: desktop" mac-address=02:00:5E:10:00:14 server=office-staff
/ip dhcp-server lease add address=192.168.1.10 comment="office: server" mac-address=02:00:5E:10:00:0A server=office-staff
/ip dns set allow-remote-requests=yes
/ip dns static add address=192.168.1.1 comment="office: router" name=router.epicerie.internal
/ip dns static add comment="office: the office's names" forward-to=192.168.1.10 match-subdomain=yes name=epicerie.internal type=FWD
/ip route add comment="office: tunnel 10.98.0.0/24" dst-address=10.98.0.0/24 gateway=office-tunnel
/ip firewall filter add action=accept chain=input comment="office: known" connection-state=established,related,untracked
/ip firewall filter add action=drop chain=input comment="office: torn" connection-state=invalid
/ip firewall filter add action=accept chain=input comment="office: echo" protocol=icmp
/ip firewall filter add action=accept chain=input comment="office: itself" dst-address-type=local src-address-type=local
/ip firewall filter add action=accept chain=input comment="office: time office-lan" dst-port=123 in-interface=office-lan protocol=udp
/ip firewall filter add action=accept chain=input comment="office: time office-guests" dst-port=123 in-interface=office-guests protocol=udp
/ip firewall filter add action=accept chain=input comment="office: base tcp 22" dst-port=22 in-interface=office-lan protocol=tcp
/ip firewall filter add action=accept chain=input comment="office: router tcp 53" dst-port=53 in-interface=office-lan protocol=tcp
/ip firewall filter add action=accept chain=input comment="office: router udp 53" dst-port=53 in-interface=office-lan protocol=udp
/ip firewall filter add action=accept chain=input comment="office: router udp 67" dst-port=67 in-interface=office-lan protocol=udp
/ip firewall filter add action=accept chain=input comment="office: guests: names and addresses" dst-port=53,67 in-interface=office-guests protocol=udp
/ip firewall filter add action=accept chain=input comment="office: guests: names" dst-port=53 in-interface=office-guests protocol=tcp
/ip firewall filter add action=accept chain=input comment="office: maintenance 10.99.0.1/32" dst-port=22 in-interface=office-tunnel protocol=tcp src-address=10.99.0.1/32
/ip firewall filter add action=accept chain=input comment="office: maintenance 10.98.0.0/24" dst-port=22 in-interface=office-tunnel protocol=tcp src-address=10.98.0.0/24
/ip firewall filter add action=drop chain=input comment="office: all else"
/ip firewall filter add action=accept chain=forward comment="office: known on its way" connection-state=established,related,untracked
/ip firewall filter add action=drop chain=forward comment="office: torn on its way" connection-state=invalid
/ip firewall filter add action=accept chain=forward comment="office: forwarded ports" connection-nat-state=dstnat in-interface=office-ppp
/ip firewall filter add action=accept chain=forward comment="office: staff to the Internet" in-interface=office-lan out-interface=office-ppp
/ip firewall filter add action=accept chain=forward comment="office: guests to the Internet" in-interface=office-guests out-interface=office-ppp
/ip firewall filter add action=accept chain=forward comment="office: maintenance of machines 10.99.0.1/32" in-interface=office-tunnel out-interface=office-lan src-address=10.99.0.1/32
/ip firewall filter add action=accept chain=forward comment="office: maintenance of machines 10.98.0.0/24" in-interface=office-tunnel out-interface=office-lan src-address=10.98.0.0/24
/ip firewall filter add action=drop chain=forward comment="office: all else on its way"
/ip firewall nat add action=masquerade chain=srcnat comment="office: masquerade" out-interface=office-ppp
/ip firewall nat add action=dst-nat chain=dstnat comment="office: forward camera" dst-address-type=local dst-port=8443 in-interface=office-ppp protocol=tcp to-addresses=192.168.1.41 to-ports=443
/ip firewall nat add action=dst-nat chain=dstnat comment="office: forward jeu" dst-address-type=local dst-port=27015 in-interface=office-ppp protocol=udp to-addresses=192.168.1.20 to-ports=27015
/ipv6 address add address=fd5c:81e7:2b94::1/64 comment="office: staff ula" interface=office-lan
/ipv6 address add address=::1 comment="office: staff" from-pool=office-prefix interface=office-lan
/ipv6 address add address=fd5c:81e7:2b94:1::1/64 comment="office: guests ula" interface=office-guests
/ipv6 address add address=::1 comment="office: guests" from-pool=office-prefix interface=office-guests
/ipv6 dhcp-client add add-default-route=yes comment="office: line" interface=office-ppp pool-name=office-prefix request=prefix use-peer-dns=no
/ipv6 nd add advertise-dns=no comment="office: staff" interface=office-lan
/ipv6 nd add comment="office: guests" dns=fd5c:81e7:2b94:1::1 interface=office-guests
/ipv6 nd set [ find default=yes ] disabled=yes
/ipv6 firewall filter add action=accept chain=input comment="office: known" connection-state=established,related,untracked
/ipv6 firewall filter add action=drop chain=input comment="office: torn" connection-state=invalid
/ipv6 firewall filter add action=accept chain=input comment="office: echo" protocol=icmpv6
/ipv6 firewall filter add action=accept chain=input comment="office: itself" dst-address-type=local src-address-type=local
/ipv6 firewall filter add action=accept chain=input comment="office: the line's prefix" dst-port=546 in-interface=office-ppp protocol=udp src-address=fe80::/10
/ipv6 firewall filter add action=accept chain=input comment="office: time office-lan" dst-port=123 in-interface=office-lan protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: time office-guests" dst-port=123 in-interface=office-guests protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: base tcp 22" dst-port=22 in-interface=office-lan protocol=tcp
/ipv6 firewall filter add action=accept chain=input comment="office: router tcp 53" dst-port=53 in-interface=office-lan protocol=tcp
/ipv6 firewall filter add action=accept chain=input comment="office: router udp 53" dst-port=53 in-interface=office-lan protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: router udp 67" dst-port=67 in-interface=office-lan protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: guests: names and addresses" dst-port=53,67 in-interface=office-guests protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: guests: names" dst-port=53 in-interface=office-guests protocol=tcp
/ipv6 firewall filter add action=drop chain=input comment="office: all else"
/ipv6 firewall filter add action=accept chain=forward comment="office: known on its way" connection-state=established,related,untracked
/ipv6 firewall filter add action=drop chain=forward comment="office: torn on its way" connection-state=invalid
/ipv6 firewall filter add action=accept chain=forward comment="office: staff to the Internet" in-interface=office-lan out-interface=office-ppp
/ipv6 firewall filter add action=accept chain=forward comment="office: guests to the Internet" in-interface=office-guests out-interface=office-ppp
/ipv6 firewall filter add action=drop chain=forward comment="office: all else on its way"
/system clock set time-zone-autodetect=no time-zone-name=Europe/Paris
/system ntp client set enabled=yes
/system ntp client servers add address=ntp.fai.example
/system ntp client servers add address=192.0.2.123
/system ntp server set enabled=yes
