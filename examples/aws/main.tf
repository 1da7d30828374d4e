# Two machines in a subnet of yours: the exporter with Prometheus, and the service that it probes by its name in a private
# zone.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "subnet_id" {
  description = "Subnet of both machines. It needs a way to the Internet for packages."
  type        = string
}

variable "package_url" {
  description = "URL of the Debian package of the exporter for amd64."
  type        = string
}

variable "sha256" {
  description = "SHA-256 of the package."
  type        = string
}

variable "client_cidr" {
  description = "Network that may use the exporter (9115) and Prometheus (9090)."
  type        = string
}

variable "instance_type" {
  description = "Type of both machines, amd64."
  type        = string
  default     = "t3.small"
}

data "aws_subnet" "this" {
  id = var.subnet_id
}

data "aws_ssm_parameter" "debian" {
  name = "/aws/service/debian/release/12/latest/amd64"
}

locals {
  zone = "example-corp.internal"
  machines = {
    exporter = {
      ingress = { exporter = 9115, prometheus = 9090 }
      user_data = templatefile("${path.module}/exporter.cloud-init.yml", {
        package_url = var.package_url
        sha256      = var.sha256
      })
    }
    target = {
      ingress   = {}
      user_data = file("${path.module}/target.cloud-init.yml")
    }
  }
}

resource "aws_security_group" "machine" {
  for_each    = local.machines
  name_prefix = "probe-${each.key}-"
  description = "The ${each.key} of the example of probe_exporter"
  vpc_id      = data.aws_subnet.this.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "all" {
  for_each          = local.machines
  security_group_id = aws_security_group.machine[each.key].id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = local.machines.exporter.ingress
  security_group_id = aws_security_group.machine["exporter"].id
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  cidr_ipv4         = var.client_cidr
}

resource "aws_vpc_security_group_ingress_rule" "probe_tcp" {
  security_group_id            = aws_security_group.machine["target"].id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
  referenced_security_group_id = aws_security_group.machine["exporter"].id
}

resource "aws_vpc_security_group_ingress_rule" "probe_icmp" {
  security_group_id            = aws_security_group.machine["target"].id
  ip_protocol                  = "icmp"
  from_port                    = 8 # echo request
  to_port                      = -1
  referenced_security_group_id = aws_security_group.machine["exporter"].id
}

resource "aws_instance" "machine" {
  for_each                    = local.machines
  ami                         = data.aws_ssm_parameter.debian.value
  instance_type               = var.instance_type
  subnet_id                   = var.subnet_id
  vpc_security_group_ids      = [aws_security_group.machine[each.key].id]
  user_data                   = each.value.user_data
  user_data_replace_on_change = true

  metadata_options {
    http_tokens = "required"
  }

  tags = {
    Name = "probe-${each.key}"
  }
}

resource "aws_route53_zone" "private" {
  name = local.zone

  vpc {
    vpc_id = data.aws_subnet.this.vpc_id
  }
}

resource "aws_route53_record" "target" {
  zone_id = aws_route53_zone.private.zone_id
  name    = "example.${local.zone}"
  type    = "A"
  ttl     = 60
  records = [aws_instance.machine["target"].private_ip]
}

output "exporter" {
  description = "URL of the exporter within the network."
  value       = "http://${aws_instance.machine["exporter"].private_ip}:9115"
}
